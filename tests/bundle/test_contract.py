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
from ichmonai.networks import DTViT, create_network
from tests.bundle.conftest import CONFIGS, SMALL, TRAINING, config_files

METADATA = str(CONFIGS / "metadata.json")


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("train",), "train"),
        (("train", "evaluate"), "infer"),
        (("inference",), "infer"),
        (("inference", "dtvit_inference"), "infer"),
    ],
)
def test_properties_are_complete(
    names: tuple[str, ...], kind: str, training: Path, cohort: Path, volumes: Path, tmp_path: Path
) -> None:
    overrides = {
        "train": {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path)},
        "evaluate": {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(training)},
        "inference": {"dataset_dir": str(volumes / "nifti"), "ckpt_path": str(tmp_path / "light.pt"), "image_size": 64},
        "dtvit_inference": {**SMALL, "dataset_dir": str(volumes / "nifti"), "ckpt_path": str(training / "model.pt")},
    }[names[-1]]
    torch.save(create_network("light", image_size=64).state_dict(), tmp_path / "light.pt")
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


def test_exports_agree_with_the_network(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    network = DTViT("test_vit", image_size=192).eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    common = {
        "net_id": "network_def",
        "ckpt_file": str(tmp_path / "model.pt"),
        "meta_file": METADATA,
        "config_file": config_files("inference"),
        "backbone": "test_vit",
    }
    monai.bundle.ckpt_export(filepath=str(tmp_path / "model.ts"), **common)
    axes = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": {"image": {0: "n"}, "pred": {0: "n"}}}
    monai.bundle.onnx_export(filepath=str(tmp_path / "model.onnx"), use_trace=True, converter_kwargs=axes, **common)
    images = torch.rand(3, 3, 192, 192)
    with torch.no_grad():
        expected = network(images).numpy()
        scripted = torch.jit.load(str(tmp_path / "model.ts"))(images).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (exported,) = session.run(None, {"image": images.numpy()})
    np.testing.assert_allclose(scripted, expected, atol=1e-4)
    np.testing.assert_allclose(exported, expected, atol=1e-4)


def test_training_and_inference_preprocess_alike(volumes: Path) -> None:
    train, inference = ConfigParser(), ConfigParser()
    train.read_config(config_files("train"))
    inference.read_config(config_files("inference", "dtvit_inference"))
    # A training set shows brain by its labels, and has no volumes.
    gate = ("CheckHeadCTd", "AverageThinSlicesd", "KeepBrainSlicesd")
    transforms = [one for one in inference["preprocessing"]["transforms"] if one["_target_"].split(".")[-1] not in gate]
    assert train["preprocessing_transforms"][1:] + train["normalization_transforms"] == transforms
    for parser in (train, inference):
        parser["image_size"] = 64
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
                ast.parse(value[1:].replace("@", "_").replace("#", "_"), mode="eval")


def _strings(config: object) -> list[str]:
    if isinstance(config, dict):
        return [s for value in config.values() for s in _strings(value)]
    if isinstance(config, list):
        return [s for value in config for s in _strings(value)]
    return [config] if isinstance(config, str) else []
