"""The diffusion model by the bundle's configs: trained, resumed, sampled, and put to use in a training."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.bundle.conftest import config_files, run
from tests.bundle.test_workflows import run_and_catch

DIFFUSE = {
    "image_size": 96,
    "num_workers": 0,
    "split_fractions": [0.6, 0.4, 0.0],
    "pretrained": False,
    "patch": 32,
    "channels": [16, 32],
    "batch_size": 8,
    "max_epochs": 1,
    "epoch_slices": 24,
    "sample_rows": 2,
    "sample_steps": 2,
}


@pytest.fixture(scope="module")
def diffused(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of an epoch, and another with its samples that resumed it."""
    folder = tmp_path_factory.mktemp("diffused")
    options = {**DIFFUSE, "dataset_dir": str(cohort), "output_dir": str(folder)}
    run("training", config_files("train", "diffuse"), **options)
    shutil.copy(folder / "inpainter.pt", folder / "first.pt")
    run("training", config_files("train", "diffuse"), **{**options, "max_epochs": 2}, resume=True)
    run("sampling", config_files("train", "diffuse"), **options)
    return folder


def test_a_training_goes_on_where_it_stopped_and_only_when_asked(diffused: Path, cohort: Path) -> None:
    with (diffused / "epochs.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 2
    assert 0 < losses[1] < losses[0]
    first, last = (torch.load(diffused / name, weights_only=True) for name in ("first.pt", "inpainter.pt"))
    assert any(not torch.equal(first["network"][name], last["network"][name]) for name in first["network"])
    options = {**DIFFUSE, "dataset_dir": str(cohort), "output_dir": str(diffused)}
    assert "is of an earlier training" in run_and_catch("training", ("train", "diffuse"), **options)


def test_the_sheets_have_a_row_a_slice_and_the_nearest_are_listed(diffused: Path) -> None:
    samples = diffused / "samples"
    with Image.open(samples / "kinds.png") as sheet:
        assert sheet.size == (7 * 66 + 2, 2 * 66 + 2)
    for name in ("removed.png", "nearest.png"):
        assert (samples / name).is_file()
    with (samples / "nearest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert all(0 < float(row["nearest_hu"]) <= float(row["next_hu"]) for row in rows)


def test_a_training_takes_it(diffused: Path, cohort: Path, tmp_path: Path) -> None:
    options = {
        **{name: DIFFUSE[name] for name in ("num_workers", "split_fractions", "pretrained", "epoch_slices")},
        "image_size": 64,
        "max_epochs": 1,
        "dataset_dir": str(cohort),
        "output_dir": str(tmp_path),
        "inpainter_path": str(diffused / "inpainter.pt"),
        "diffuse_prob": 1.0,
        "draw_prob": 0.0,
    }
    run("training", config_files("train", "diffused"), **options)
    assert (tmp_path / "model.pt").is_file()
