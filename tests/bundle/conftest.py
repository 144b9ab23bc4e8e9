"""A phantom cohort and a network small enough to train in seconds."""

import contextlib
from pathlib import Path
from typing import Any

import monai.bundle
import pytest

from ichmonai.datasets.phantom import make_cohort, write_dtvit
from ichmonai.paths import bundle_root
from tests.phantom_volumes import write_volumes

CONFIGS = bundle_root() / "configs"
SMALL = {"backbone": "test_vit", "pretrained": False, "image_size": 64, "num_workers": 0}
"""Overrides that every workflow of these tests shares; `test_vit` is timm's smallest vision transformer."""

TRAINING = {
    **SMALL,
    "split_fractions": [0.6, 0.2, 0.2],
    "max_epochs": 2,
    "batch_size": 8,
    "val_batch_size": 8,
    "learning_rate": 1e-3,
    # Even factors: an epoch has an even number of draws, so that two processes leave none of them out.
    "replication_factors": {"normal": 2, "deep": 8, "lobar": 8, "subtentorial": 8},
}


def config_files(*names: str) -> list[str]:
    """Paths of the bundle's configs."""
    return [str(CONFIGS / f"{name}.json") for name in names]


@pytest.fixture(autouse=True)
def _in_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs take parts of one another from the current folder, which is the bundle's for its users, too."""
    monkeypatch.chdir(bundle_root())


def run(run_id: str, configs: list[str], **override: Any) -> None:
    """Run a workflow of the bundle in this process, as `python -m monai.bundle run` does in its own."""
    with contextlib.chdir(bundle_root()):
        monai.bundle.run(run_id=run_id, config_file=configs, **override)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom patients in the DTViT layout, enough for three of each class in the three splits."""
    folder = tmp_path_factory.mktemp("cohort")
    write_dtvit(folder, make_cohort(18, seed=1, size=96, workers=2, ich_only=True))
    return folder


@pytest.fixture(scope="session")
def training(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a short training."""
    folder = tmp_path_factory.mktemp("training")
    run("training", config_files("dtvit"), dataset_dir=str(cohort), output_dir=str(folder), **TRAINING)
    return folder


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One phantom study as a DICOM series folder (`dicom/`) and as NIfTI (`nifti/`)."""
    return write_volumes(tmp_path_factory.mktemp("volumes"))
