"""A setting that no config has is refused, where MONAI would let it pass without effect."""

import subprocess
import sys
from pathlib import Path

import pytest

from ichmonai.paths import bundle_root
from tests.bundle.test_workflows import run_and_catch


@pytest.mark.parametrize(
    ("run_id", "configs", "setting", "said"),
    [
        ("training", ("train",), "epochs", "train.json has no setting epochs; the nearest is max_epochs."),
        ("training", ("dtvit",), "lr", "dtvit.json has no setting lr; the nearest is learning_rate."),
        ("training", ("train", "multi_gpu_train"), "num_epochs", "the nearest is max_epochs."),
        ("evaluating", ("dtvit", "evaluate"), "splt", "dtvit.json with evaluate.json has no setting splt"),
        ("inference", ("inference",), "output", "inference.json has no setting output; the nearest is output_dir."),
        ("inference", ("inference",), "zzz", "has no setting zzz; its top section lists them."),
        ("restyling", ("restyle",), "natural_folder", "the nearest is natural_dir."),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest(
    run_id: str, configs: tuple[str, ...], setting: str, said: str, tmp_path: Path
) -> None:
    assert said in run_and_catch(run_id, configs, output_dir=str(tmp_path), **{setting: 1})
    assert not list(tmp_path.iterdir())


def test_one_of_an_args_file_is_refused_and_what_monai_takes_is_not(tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text('{"epochs": 1}')
    assert "epochs" in run_and_catch("training", ("train",), args_file=str(tmp_path / "args.json"))
    known = {"batch_size": 2, "train::trainer::max_epochs": 3, "train#dataloader#num_workers": 0, "tracking": None}
    said = run_and_catch("training", ("train",), init_id="initialize", dataset_dir=str(tmp_path / "absent"), **known)
    assert "does not exist" in said


def test_the_command_ends_with_the_sentence() -> None:
    command = [sys.executable, "-P", "-m", "monai.bundle", "run", "training", "--config_file", "configs/train.json"]
    done = subprocess.run([*command, "--epochs", "1"], cwd=bundle_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ichmonai: train.json has no setting epochs; the nearest is max_epochs."
    assert "Traceback" not in done.stderr
