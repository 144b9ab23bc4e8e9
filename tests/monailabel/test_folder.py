import json
import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.errors import InputError
from ichmonai.evaluation import Calibration, calibration_path
from ichmonai.model_description import ModelDescription
from ichmonai.monailabel.folder import MODEL, publish, write_model
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle

ONE, OTHER = (ModelDescription({"name": name}, ()) for name in ("resnet18", "resnet34"))


def test_the_model_is_what_monai_label_looks_for(source: BundleSource, weights: Path, tmp_path: Path) -> None:
    """The rules of MONAI Label's BundleInferTask, by which it reads a bundle."""
    folder = tmp_path / MODEL
    assert write_model(source, folder) is None
    others = ("deepedit", "deepgrow", "detection", "segmentation")
    assert "classification" in folder.name
    assert not any(name in folder.name for name in others)
    config = ConfigParser()
    config.read_config(folder / "configs" / "inference.json")
    config.config["bundle_root"] = str(folder)
    network = config.get_parsed_content("network_def", instantiate=True)
    state = torch.load(folder / "models" / "model.pt", weights_only=True)
    network.load_state_dict(state, strict=True)
    for name in ("preprocessing", "inferer", "postprocessing"):
        assert config.get(name), name
    formats = json.loads((folder / "configs" / "metadata.json").read_text())["network_data_format"]
    assert list(formats["inputs"]) == ["image"]
    assert list(formats["outputs"]) == ["pred"]
    expected = torch.load(weights, weights_only=True)
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in state)


def test_settings_overlays_and_calibration_go_with_it(weights: Path, tmp_path: Path) -> None:
    calibrated = tmp_path / "run" / "model.pt"
    shutil.copytree(weights.parent, calibrated.parent)
    thresholds = {"series": {"ich": {"specificity_90": 0.7}}}
    Calibration({"ich": 2.0}, thresholds).write(calibration_path(calibrated))
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"batch_size": 3}))
    settings = {"ckpt_path": str(calibrated)}
    write_model(BundleSource(bundle_root(), settings, (overlay,)), tmp_path / "model")
    bundle = InferenceBundle(BundleSource(tmp_path / "model"))
    assert bundle.weights == tmp_path / "model" / "models" / "model.pt"
    assert (bundle.setting("description").image_size, bundle.setting("batch_size")) == (96, 3)
    assert bundle.setting("threshold") == 0.7
    assert bundle.setting("calibration").temperature == {"ich": 2.0}

    given = tmp_path / "given.json"  # another, by name: it is copied, too, and goes when the weights go
    Calibration({"ich": 3.0}).write(given)
    write_model(BundleSource(bundle_root(), {**settings, "calibration_path": str(given)}), tmp_path / "model")
    given.unlink()
    bundle = InferenceBundle(BundleSource(tmp_path / "model"))
    assert bundle.setting("calibration") == Calibration({"ich": 3.0})
    assert bundle.setting("calibration_path") is None


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights file"):
        write_model(BundleSource(bundle_root(), {"ckpt_path": str(tmp_path / "none.pt")}), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_weights_that_are_replaced_are_kept_with_their_calibration(tmp_path: Path) -> None:
    first, second = {"w": torch.zeros(2)}, {"w": torch.ones(2)}
    assert publish(first, ONE, Calibration({"ich": 2.0}), tmp_path) is None
    assert publish(first, ONE, Calibration({"ich": 2.0}), tmp_path) is None  # the same
    kept = publish(second, OTHER, None, tmp_path)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["w"].tolist() == [1, 1]
    assert not calibration_path(tmp_path / "model.pt").exists()  # it was fitted to others
    assert kept is not None
    assert torch.load(kept, weights_only=True)["w"].tolist() == [0, 0]
    assert Calibration.read(calibration_path(kept)).temperature == {"ich": 2.0}
    assert ModelDescription.beside(kept) == ONE
    assert ModelDescription.beside(tmp_path / "model.pt") == OTHER
    assert [path.name for path in tmp_path.glob("*.pt*")] == ["model.pt"]


def test_start_needs_what_prepare_makes(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["label", "start", str(tmp_path), "--studies", str(tmp_path)])
    assert result.exit_code == 2
    assert "ichmonai label prepare" in result.output
