"""A bundle with a network that answers in milliseconds, and volumes that take no time to read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ichmonai.networks import KIND_HEADS
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
from tests.small_model import write_model

IMAGE_SIZE = 32


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> BundleSource:
    """The bundle's inference with timm's smallest vision transformer, and a transform that fails by the study's name.

    The checks of the input are left out: what these tests predict is noise.
    """
    root = tmp_path_factory.mktemp("bundle")
    (root / "configs").mkdir()
    config = json.loads((bundle_root() / "configs" / "inference.json").read_text())
    intake = [one for one in config["intake_transforms"] if not one["_target_"].endswith("CheckHeadCTd")]
    intake.insert(1, {"_target_": "tests.prediction.faults.Faultd", "keys": "image", "folder": str(root)})
    config |= {"intake_transforms": intake, "brain_transforms": []}
    config["runtime"] = "torch"  # the same digits wherever and on however many threads
    (root / "configs" / "inference.json").write_text(json.dumps(config))
    write_model(root / "models", "test_vit", IMAGE_SIZE)
    return BundleSource(root, {"device": "$torch.device('cpu')"}, trusted=True)


@pytest.fixture(scope="session")
def marking_bundle(small_bundle: BundleSource, tmp_path_factory: pytest.TempPathFactory) -> BundleSource:
    """The same with a network of kinds and mask, of which the mask is known."""
    root = tmp_path_factory.mktemp("marking_bundle")
    (root / "configs").mkdir()
    config = json.loads((small_bundle.root / "configs" / "inference.json").read_text())
    config["network"] = {"_target_": "tests.prediction.marking.Marking"}
    (root / "configs" / "inference.json").write_text(json.dumps(config))
    write_model(root / "models", "light", 192, heads=KIND_HEADS, mask_classes=6)
    return BundleSource(root, small_bundle.settings, trusted=True)


@pytest.fixture(scope="session")
def whole_bundle(small_bundle: BundleSource, tmp_path_factory: pytest.TempPathFactory) -> BundleSource:
    """The same network behind the bundle's own inference, with all checks."""
    root = tmp_path_factory.mktemp("whole_bundle")
    shutil.copytree(bundle_root() / "configs", root / "configs")
    shutil.copytree(small_bundle.root / "models", root / "models")
    return BundleSource(root, {**small_bundle.settings, "runtime": "torch"})


@pytest.fixture
def volume(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a small NIfTI volume of noise in HU, 12 slices, under a name below `scans`."""
    (tmp_path / "scans").mkdir()

    def write(name: str) -> Path:
        noise = np.random.default_rng(sum(name.encode())).normal(30, 20, (96, 96, 12)).astype(np.float32)
        path = tmp_path / "scans" / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(noise, np.diag([2.0, 2.0, 9.0, 1.0])), path)
        return path

    return write
