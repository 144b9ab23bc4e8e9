"""What a user of the model zoo does with the zip, in fresh processes that have MONAI and not this package."""

import json
from pathlib import Path

import monai.bundle
import pytest
import torch

from ichmonai.paths import bundle_root
from tests.release.bare import bundle_command, start
from tests.release.conftest import SMALL

TRACED = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": {"image": {0: "n"}, "pred": {0: "n"}}}


def here(run_id: str, *names: str, **options: object) -> None:
    """The same with the package, in this process."""
    files = [str(bundle_root() / "configs" / f"{name}.json") for name in names]
    monai.bundle.run(run_id=run_id, config_file=files, bundle_root=str(bundle_root()), **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "nifti", "dicom"])
def test_inference_gives_the_same_to_the_digit(
    kind: str, python: Path, built: Path, scans: Path, tmp_path: Path
) -> None:
    inputs = next((scans / "nifti").glob("*.nii.gz")) if kind == "file" else scans / kind
    options = {"dataset_dir": str(inputs), "runtime": "torch", "workers": 1}
    config = "--config_file=configs/inference.json"
    bundle_command(python, built, "run", "inference", config, **options, output_dir=str(tmp_path / "theirs"))
    here("inference", "inference", **options, output_dir=str(tmp_path / "ours"))
    for name in ("studies.csv", "slices.csv"):
        assert (tmp_path / "theirs" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()
    assert len((tmp_path / "ours" / "slices.csv").read_text().splitlines()) > 20


@pytest.mark.slow
def test_training_and_evaluation_give_the_same_to_the_digit(
    python: Path, built: Path, few_slices: Path, tmp_path: Path
) -> None:
    """The default network for an epoch, by the shortest command."""
    options = {**SMALL, "dataset_dir": str(few_slices)}
    theirs, ours = ({**options, "output_dir": str(tmp_path / who)} for who in ("theirs", "ours"))
    bundle_command(python, built, "run", "training", "--config_file=configs/train.json", **theirs)
    both = "--config_file=['configs/train.json','configs/evaluate.json']"
    bundle_command(python, built, "run", "evaluating", both, **theirs)
    here("training", "train", **ours)
    here("evaluating", "train", "evaluate", **ours)
    one, two = (torch.load(tmp_path / who / "model.pt", weights_only=True) for who in ("theirs", "ours"))
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    for name in ("epochs.csv", "evaluation/predictions.csv"):
        assert (tmp_path / "theirs" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()
    assert (tmp_path / "theirs" / "evaluation" / "metrics.json").is_file()


@pytest.mark.slow
def test_dtvit_and_its_evaluation_alone(python: Path, built: Path, few_slices: Path, tmp_path: Path) -> None:
    """From another folder, where a config that took parts of others would not find them."""
    options = {**SMALL, "backbone": "test_vit", "dataset_dir": str(few_slices), "output_dir": str(tmp_path / "run")}
    (tmp_path / "empty").mkdir()
    config = f"--config_file={built / 'configs' / 'dtvit.json'}"
    bundle_command(python, tmp_path / "empty", "run", "training", config, **options)
    description = json.loads((tmp_path / "run" / "model.json").read_text())
    assert description["network"]["name"] == "test_vit"
    assert not list((tmp_path / "empty").iterdir())
    config = "configs/evaluate.json"
    done = start(python, "-W", "ignore", "-m", "monai.bundle", "run", "--config_file", config, cwd=built)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ichmonai: evaluate.json is laid over the config of a training")


@pytest.mark.slow
def test_exports(python: Path, built: Path, scans: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    common = {"net_id": "network_def", "meta_file": "configs/metadata.json", "config_file": "configs/inference.json"}
    bundle_command(python, built, "verify_net_in_out", **common)
    common["ckpt_file"] = "models/model.pt"
    script, onnx = built / "models" / "model_trt.ts", tmp_path / "model.onnx"
    bundle_command(python, built, "ckpt_export", **common, filepath=str(script))
    traced = {"use_trace": True, "converter_kwargs": TRACED}
    bundle_command(python, built, "onnx_export", **common, **traced, filepath=str(onnx))
    images = torch.rand(3, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = torch.jit.load(script)(images).numpy()
    session = onnxruntime.InferenceSession(str(onnx))
    assert session.run(None, {"image": images.numpy()})[0] == pytest.approx(expected, abs=1e-4)
    # TensorRT itself needs a GPU: the config for its models is run with another one of TorchScript in their place
    config = "--config_file=['configs/inference.json','configs/inference_trt.json']"
    options = {"dataset_dir": str(scans / "nifti"), "workers": 1}
    bundle_command(python, built, "run", "inference", config, **options, output_dir=str(tmp_path / "trt"))
    here("inference", "inference", **options, runtime="torch", output_dir=str(tmp_path / "ours"))
    names = ("trt", "ours")
    one, two = ((tmp_path / name / "slices.csv").read_text().splitlines()[1:] for name in names)
    assert len(one) == len(two) > 20
    assert (tmp_path / "trt" / "studies.csv").is_file()


LOAD = """
import sys

import monai.bundle
import torch


def main(folder, scans, out):
    state = torch.load(f"{folder}/ich_classification/models/model.pt", weights_only=True)
    for options in ({}, {"workflow_type": "inference"}):
        found = monai.bundle.load("ich_classification", bundle_dir=folder, device="cpu", **options).state_dict()
        assert found.keys() == state.keys()
        assert all(torch.equal(found[name], state[name]) for name in state)
    config = f"{folder}/ich_classification/configs/inference.json"
    options = {"dataset_dir": scans, "output_dir": out, "runtime": "torch", "workers": 1}
    workflow = monai.bundle.create_workflow(config_file=config, workflow_type="infer", **options)
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    assert "ichmonai_code" in sys.modules["ichmonai"].__file__


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.slow
def test_load_gives_the_shipped_network_and_the_workflow(
    python: Path, built: Path, scans: Path, tmp_path: Path
) -> None:
    (tmp_path / "load.py").write_text(LOAD)
    (tmp_path / "empty").mkdir()
    arguments = (tmp_path / "load.py", built.parent, scans / "nifti", tmp_path / "out")
    done = start(python, *arguments, cwd=tmp_path / "empty")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list((tmp_path / "empty").iterdir())
    assert len((tmp_path / "out" / "studies.csv").read_text().splitlines()) == 2
