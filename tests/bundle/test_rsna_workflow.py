"""Training and evaluation on RSNA's six labels through the bundle."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets import load_rsna
from ichmonai.datasets.phantom import PhantomKind, make_study, write_rsna
from ichmonai.evaluation.multilabel import multilabel_metrics
from tests.bundle.conftest import config_files, run

SMALL = {
    "backbone": "resnet10t",
    "pretrained": False,
    "image_size": 64,
    "num_workers": 0,
    "split_fractions": [0.4, 0.3, 0.3],
    "max_epochs": 2,
    "batch_size": 16,
    "learning_rate": 1e-3,
}
KINDS = (PhantomKind.NORMAL, PhantomKind.SUBDURAL)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phantom patients in the layout of the challenge, every second slice labelled."""
    folder = tmp_path_factory.mktemp("rsna")
    write_rsna(folder, [make_study(k, KINDS[k % 2], 64, f"1p{k}") for k in range(6)])
    with (folder / "truth.csv").open(newline="") as stream:
        odd = {Path(row["file"]).stem for row in csv.DictReader(stream) if int(row["slice"]) % 2}
    path = folder / "stage_2_train.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if line.rpartition("_")[0] not in odd) + "\n")
    return folder


@pytest.mark.parametrize("overlays", [("scopeformer",), ("scopeformer", "neighbours")])
def test_training_and_evaluation_on_the_phantom(overlays: tuple[str, ...], dataset: Path, tmp_path: Path) -> None:
    options = {**SMALL, "dataset_dir": str(dataset), "output_dir": str(tmp_path)}
    run("training", config_files(*overlays), **options)
    with (tmp_path / "epochs.csv").open(newline="") as stream:
        epochs = list(csv.DictReader(stream))
    assert [row["epoch"] for row in epochs] == ["1", "2"]
    assert float(epochs[1]["train_log_loss"]) < float(epochs[0]["train_log_loss"])
    assert all(math.isfinite(float(row["val_prevalence_log_loss"])) for row in epochs)
    assert (tmp_path / "curves.png").is_file()
    assert not list(tmp_path.glob("confusion*"))
    baselines = [f"{split}_all_negative_{name}" for split in ("train", "val") for name in ("log_loss", "accuracy")]
    assert all(math.isfinite(float(row[name])) for row in epochs for name in baselines)

    run("evaluating", config_files(*overlays, "evaluate"), **options)
    with (tmp_path / "evaluation" / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    split = json.loads((tmp_path / "split.json").read_text())["splits"]
    assert {row["patient"] for row in rows} == set(split["test"]["patients"])
    items = {item["image"]: item for item in load_rsna(dataset)}
    labels = np.array([[float(row[name]) for name in RSNA_LABELS] for row in rows])
    assert np.array_equal(labels, [items[row["image"]]["label"] for row in rows])
    assert all(int(row["slice"]) == items[row["image"]]["slice"] for row in rows)
    probabilities = np.array([[float(row[f"p_{name}"]) for name in RSNA_LABELS] for row in rows])
    record = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    trained = set(split["training"]["patients"])
    prevalence = np.mean([item["label"] for item in items.values() if item["patient"] in trained], axis=0)
    assert list(record["prevalence"]["training"].values()) == pytest.approx(prevalence)
    expected = multilabel_metrics(probabilities, labels, prevalence.tolist())
    for name in ("log_loss", "accuracy", "any_auc", "subdural_auc", "subdural_sensitivity"):
        assert record["metrics"][name]["value"] == pytest.approx(expected[name]), name
    assert record["metrics"]["epidural_auc"]["value"] is None
    for baseline in ("all_negative", "prevalence"):
        for name in ("log_loss", "accuracy"):
            assert record["baselines"][baseline][name]["value"] == pytest.approx(expected[f"{baseline}_{name}"])
    assert (record["split"], record["slices"]) == ("test", len(rows))
    assert "not for clinical use" in record["notice"]
    assert len(json.loads((tmp_path / "evaluation" / "run.json").read_text())["weights"]["sha256"]) == 64


def test_windows_and_neighbours_are_three_channels(dataset: Path) -> None:
    shapes = {}
    for overlays in (("scopeformer",), ("scopeformer", "neighbours")):
        parser = ConfigParser()
        parser.read_config(config_files(*overlays))
        parser["dataset_dir"], parser["image_size"] = str(dataset), 32
        item = parser.get_parsed_content("readable")[20]
        shapes[overlays] = parser.get_parsed_content("validate#preprocessing")(item)["image"]
    assert {tuple(image.shape) for image in shapes.values()} == {(3, 32, 32)}
    windows, neighbours = shapes.values()
    assert not np.allclose(windows, neighbours)
    np.testing.assert_allclose(windows[0], (neighbours[1] * 0.224 + 0.456 - 0.485) / 0.229, atol=1e-5)  # brain window
