"""What MONAI asks of a bundle."""

import ast
import json
from pathlib import Path

import monai.bundle
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from ichmonai.io import find_head_ct
from ichmonai.model_description import ModelDescription
from ichmonai.networks import load_trained
from tests.bundle.conftest import CONFIGS, TRAINING, config_files
from tests.bundle.test_pretraining import SCOPEFORMER

METADATA = str(CONFIGS / "metadata.json")


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("train",), "train"),
        (("dtvit",), "train"),
        (("scopeformer",), "train"),
        (("dtvit", "evaluate"), "infer"),
        (("inference",), "infer"),
    ],
)
def test_properties_are_complete(
    names: tuple[str, ...], kind: str, training: Path, cohort: Path, volumes: Path, tmp_path: Path
) -> None:
    overrides = {
        "train": {"pretrained": False, "dataset_dir": str(cohort), "output_dir": str(tmp_path)},
        "dtvit": {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path)},
        "scopeformer": {
            **SCOPEFORMER,
            "pretrained": False,
            "prevalence": [0.1] * 6,
            "datalist": "$datasets.load_datalist(@dataset_dir)",
            "dataset_dir": str(cohort),
            "output_dir": str(tmp_path),
        },
        "evaluate": {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(training)},
        "inference": {"dataset_dir": str(volumes / "nifti"), "ckpt_path": str(training / "model.pt")},
    }[names[-1]]
    workflow = ConfigWorkflow(
        config_files(*names), METADATA, str(CONFIGS / "logging.conf"), workflow_type=kind, **overrides
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_metadata_is_valid_and_its_version_in_the_changelog(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"  # where there is a file, monai.bundle does not download
    schema.write_text((Path(__file__).parent / "metadata_schema.json").read_text())
    monai.bundle.verify_metadata(meta_file=METADATA, filepath=str(schema))
    metadata = json.loads(Path(METADATA).read_text())
    assert metadata["version"] in metadata["changelog"]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({key: value for key, value in metadata.items() if key != "task"}))
    with pytest.raises(ValueError, match="schema"):
        monai.bundle.verify_metadata(meta_file=str(broken), filepath=str(schema))


def test_network_takes_and_gives_what_the_metadata_says() -> None:
    monai.bundle.verify_net_in_out(net_id="network_def", meta_file=METADATA, config_file=config_files("inference"))


def test_exports_agree_with_the_network(training: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    weights = training / "model.pt"
    network = load_trained(ModelDescription.beside(weights).create_network(), weights).eval()
    common = {
        "net_id": "network_def",
        "ckpt_file": str(weights),
        "meta_file": METADATA,
        "config_file": config_files("inference"),
        "ckpt_path": str(weights),
        "input_shape": [1, 3, 64, 64],
    }
    monai.bundle.ckpt_export(filepath=str(tmp_path / "model.ts"), **common)
    axes = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": {"image": {0: "n"}, "pred": {0: "n"}}}
    monai.bundle.onnx_export(filepath=str(tmp_path / "model.onnx"), use_trace=True, converter_kwargs=axes, **common)
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        expected = network(images).numpy()
        scripted = torch.jit.load(str(tmp_path / "model.ts"))(images).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (exported,) = session.run(None, {"image": images.numpy()})
    np.testing.assert_allclose(scripted, expected, atol=1e-4)
    np.testing.assert_allclose(exported, expected, atol=1e-4)


def test_training_and_inference_preprocess_alike(volumes: Path, training: Path) -> None:
    train, inference = ConfigParser(), ConfigParser()
    train.read_config(config_files("dtvit"))
    inference.read_config(config_files("inference"))
    train["image_size"] = 64
    inference["ckpt_path"] = str(training / "model.pt")
    item = {"image": find_head_ct(volumes / "dicom")[0][0]["image"]}
    one = train.get_parsed_content("validate#preprocessing")(item)["image"]
    two = inference.get_parsed_content("preprocessing")(item)["image"]
    kept = two.meta["brain_slices"]
    assert 0 < len(kept) < two.meta["slice_count"] == one.shape[-1]
    assert torch.equal(torch.as_tensor(one)[..., kept], torch.as_tensor(two))
    assert one.shape[:3] == (3, 64, 64)


def test_every_expression_in_the_configs_is_valid_python() -> None:
    for path in CONFIGS.glob("*.json"):
        for value in _strings(json.loads(path.read_text())):
            if value.startswith("$") and not value.startswith("$import"):
                ast.parse(value[1:].replace("@", "_").replace("::", "_").replace("#", "_"), mode="eval")


def _strings(config: object) -> list[str]:
    if isinstance(config, dict):
        return [s for value in config.values() for s in _strings(value)]
    if isinstance(config, list):
        return [s for value in config for s in _strings(value)]
    return [config] if isinstance(config, str) else []
