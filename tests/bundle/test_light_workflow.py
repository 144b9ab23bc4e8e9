"""The light network, from its training to its predictions."""

import csv
import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from ichmonai.datasets import load_datalist
from tests.bundle.conftest import config_files, run

SMALL = {"pretrained": False, "image_size": 64, "num_workers": 0}
TRAINING = {**SMALL, "split_fractions": [0.6, 0.2, 0.2], "max_epochs": 1, "batch_size": 16, "val_batch_size": 8}


@pytest.mark.parametrize("recipe", [("train",), ("train", "kinds")])
def test_train_evaluate_and_predict(cohort: Path, volumes: Path, tmp_path: Path, recipe: tuple[str, ...]) -> None:
    options = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path)}
    run("training", config_files(*recipe), **options)
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert sum(value.numel() for value in state.values()) * 4 < 15e6
    run("evaluating", config_files(*recipe, "evaluate"), **options)
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["metrics"]["ich_auc"]["value"] is not None
    run(
        "inference",
        config_files("inference"),
        dataset_dir=str(volumes / "nifti"),
        output_dir=str(tmp_path / "predictions"),
        ckpt_path=str(tmp_path / "model.pt"),
    )
    with (tmp_path / "predictions" / "slices.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["state"] for row in rows} == {"classified", "outside_brain"}
    for name in ("p_ich", "p_subdural") if "kinds" in recipe else ("p_ich",):
        assert all(0 <= float(row[name]) <= 1 for row in rows if row["state"] == "classified")


def test_training_and_inference_see_the_same_image(cohort: Path) -> None:
    """The weights that are shipped are described as train.json describes its network."""
    item = load_datalist(cohort)[0]
    images = []
    for name, chain in (("train", "validate#preprocessing"), ("inference", "preprocessing")):
        parser = ConfigParser()
        parser.read_config(config_files(name))
        images.append(parser.get_parsed_content(chain)({"image": item["image"]})["image"])
    torch.testing.assert_close(*(image.as_tensor() for image in images))
    assert images[0].shape == (3, 192, 192)
    assert -1 <= images[0].min() < images[0].max() <= 1
