"""Kinds and masks on their way from a file to the writers."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ichmonai.classes import KINDS
from ichmonai.io.series import ImageSource, Series
from ichmonai.networks import KIND_HEADS
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.rows import SLICE_COLUMNS, STUDY_COLUMNS
from ichmonai.prediction.steps import Answer, Prepared, classify, prepare
from tests.small_model import write_model

SHAPE = (150, 130, 9)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head with skull and brain from the third slice on, and blood in slices 4 and 5."""
    x, y, z = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    hu = np.full(SHAPE, -1000, np.float32)
    around = np.hypot((x - 70) / 50, (y - 66) / 60)
    hu[around < 1] = 40  # neck, below
    hu[(around < 1) & (z > 1)] = 900
    hu[(around < 0.9) & (z > 1)] = 30
    hu[(np.hypot(x - 60, y - 80) < 14) & ((z == 4) | (z == 5))] = 70
    path = tmp_path_factory.mktemp("study") / "head.nii.gz"
    nib.save(nib.Nifti1Image(hu, np.diag([-1.5, -1.5, 6.0, 1.0])), path)
    return path


def bundle_of(small_bundle: BundleSource, folder: Path, **options: object) -> InferenceBundle:
    weights = write_model(folder / "models", "light", 64, **options)
    root = Path(small_bundle.root)
    settings = {**small_bundle.settings, "ckpt_path": str(weights), "runtime": "torch"}
    return InferenceBundle(BundleSource(root, settings, trusted=True))


def answer_of(bundle: InferenceBundle, study: Path) -> Answer:
    series = Series("head", "head", (ImageSource(str(study)),))
    prepared = prepare(bundle, series)
    assert isinstance(prepared, Prepared), prepared
    return classify(bundle, series, prepared)


class Bright(nn.Module):
    """Calls what is bright, and not as bright as bone, subdural."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        first = image[:, :1]
        blood = ((first > 0.5) & (first < 0.95)).float()
        mask = torch.cat([0.5 - blood, *[blood * 0 - 1] * 4, blood - 0.5], dim=1)
        return torch.zeros(len(image), 10), 10 * mask


def test_the_mask_lies_on_the_volume_that_was_read(small_bundle: BundleSource, study: Path, tmp_path: Path) -> None:
    bundle = bundle_of(small_bundle, tmp_path, heads=KIND_HEADS, mask_classes=6)
    bundle.network = Bright()
    answer = answer_of(bundle, study)
    assert answer.mask is not None
    assert answer.mask.dtype == np.uint8
    hu = np.asarray(nib.load(study).dataobj).transpose(2, 1, 0)  # S, H to posterior, W to the left
    assert answer.mask.shape == hu.shape
    truth = (hu > 60) & (hu < 100)
    found = answer.mask == 5
    assert set(np.unique(answer.mask)) == {0, 5}
    middle = slice(4, 6)
    inside = np.hypot(*(np.indices(hu.shape[1:]) - np.array([66, 70])[:, None, None])) < 45
    dice = (
        2 * (truth & found & inside)[middle].sum() / ((truth & inside)[middle].sum() + (found & inside)[middle].sum())
    )
    assert dice > 0.9


def test_kinds_stand_in_the_rows(small_bundle: BundleSource, study: Path, tmp_path: Path) -> None:
    answer = answer_of(bundle_of(small_bundle, tmp_path, heads=KIND_HEADS, mask_classes=6), study)
    names = [f"p_{kind}" for kind in KINDS]
    assert (
        [name for name in STUDY_COLUMNS if name in names] == [name for name in SLICE_COLUMNS if name in names] == names
    )
    assert all(0 < float(answer.study[name]) < 1 for name in names)
    for name in names:
        highest = max(float(row[name]) for row in answer.slices)
        assert float(answer.study[name]) <= highest, "the higher of two neighbours, at most"


def test_a_network_without_them_leaves_them_empty(small_bundle: BundleSource, study: Path, tmp_path: Path) -> None:
    answer = answer_of(bundle_of(small_bundle, tmp_path), study)
    assert answer.mask is None
    assert "p_epidural" not in answer.study
    assert float(answer.study["p_ich"]) > 0
