"""The light network, from its training to its predictions."""

import csv
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from ichmonai.classes import KINDS
from ichmonai.datasets import load_datalist
from ichmonai.tables import write_csv
from tests.bundle.conftest import config_files, run

SMALL = {"pretrained": False, "image_size": 64, "num_workers": 0}
TRAINING = {**SMALL, "split_fractions": [0.6, 0.2, 0.2], "max_epochs": 1, "batch_size": 16, "val_batch_size": 8}


@pytest.fixture
def known_kinds(cohort: Path, tmp_path: Path) -> Path:
    """The same slices with what is known of kinds, and masks of some of them."""
    (tmp_path / "masks").mkdir()
    rows = []
    for number, item in enumerate(load_datalist(cohort)):
        bleeds = bool(item["label"][0])
        row = {"image": item["image"], "patient": item["patient"], "ich": int(bleeds), "mask": ""}
        if bleeds and number % 2:
            row["mask"] = f"masks/{number}.png"
            grey = np.asarray(Image.open(item["image"]).convert("L"))
            Image.fromarray((grey > 200).astype(np.uint8) * 2).save(tmp_path / row["mask"])
        rows.append({**row, "intraparenchymal": 1 if bleeds else "", "subdural": 0 if number % 3 else ""})
    write_csv(tmp_path / "slices.csv", tuple(rows[0]), rows)
    return tmp_path


@pytest.mark.parametrize("recipe", [("train",), ("train", "kinds")])
def test_train_evaluate_and_predict(
    cohort: Path, known_kinds: Path, volumes: Path, tmp_path: Path, recipe: tuple[str, ...]
) -> None:
    data = known_kinds if "kinds" in recipe else cohort
    options = {**TRAINING, "dataset_dir": str(data), "output_dir": str(tmp_path)}
    threads = writing()
    run("training", config_files(*recipe), **options)
    assert writing() == threads
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert sum(value.numel() for value in state.values()) * 4 < 15e6
    run("evaluating", config_files(*recipe, "evaluate"), **options)
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["metrics"]["ich_auc"]["value"] is not None
    if "kinds" in recipe:
        known = {item["image"]: item["kinds"] for item in load_datalist(data)}
        judged = read_csv(tmp_path / "evaluation" / "predictions.csv")
        for row in judged:
            truth = [float(row[kind] or "nan") for kind in KINDS]
            np.testing.assert_array_equal(truth, known[row["image"]])
        assert metrics["heads"]["intraparenchymal"]["n"] == len(judged)
        assert metrics["heads"]["subdural"]["counts"]["subdural"] == 0
    run(
        "inference",
        config_files("inference"),
        dataset_dir=str(volumes / "nifti"),
        output_dir=str(tmp_path / "predictions"),
        ckpt_path=str(tmp_path / "model.pt"),
    )
    rows = read_csv(tmp_path / "predictions" / "slices.csv")
    assert {row["state"] for row in rows} == {"classified", "outside_brain"}
    for name in ("p_ich", "p_subdural") if "kinds" in recipe else ("p_ich",):
        assert all(0 <= float(row[name]) <= 1 for row in rows if row["state"] == "classified")


def writing() -> set[threading.Thread]:
    """The threads that write for TensorBoard."""
    return {one for one in threading.enumerate() if type(one).__module__.startswith("tensorboard.")}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
