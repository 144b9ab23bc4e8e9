"""`monai.bundle run inference` and `ichmonai predict` are one path."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ichmonai.errors import InputError
from ichmonai.networks import KIND_HEADS
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
from tests.bundle.conftest import run
from tests.prediction.test_run import TABLES, Silent, table
from tests.prediction.test_run import run as predict
from tests.small_model import write_model

CPU = {"device": "$torch.device('cpu')", "runtime": "torch"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    shutil.copytree(bundle_root() / "configs", root / "configs")
    write_model(root / "models", "test_vit", 32)
    return root


@pytest.fixture(scope="module")
def scans(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head as DICOM and as NIfTI, one without end, and one that is refused."""
    folder = tmp_path_factory.mktemp("scans")
    for name in ("dicom", "nifti"):
        shutil.copytree(volumes / name, folder / name)
    (whole,) = (folder / "nifti").rglob("*.nii*")
    (folder / f"damaged{''.join(whole.suffixes)}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    slices = sorted(path for path in (folder / "dicom").rglob("*") if path.is_file())
    (folder / "refused").mkdir()
    shutil.copy(slices[0], folder / "refused" / "one.dcm")
    for path in (folder / "dicom").rglob(slices[0].name):
        path.unlink()  # so that the study is not in two places
    return folder


def workflow(bundle: Path, scans: Path, out: Path, **more: Any) -> None:
    options = {"bundle_root": str(bundle), "dataset_dir": str(scans), "output_dir": str(out), **CPU}
    run("inference", [str(bundle / "configs" / "inference.json")], **options, workers=1, **more)


def record(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "run.json").read_text())
    for name in ("time", "seconds"):
        found.pop(name)
    return found


def test_both_leave_the_same(bundle: Path, scans: Path, tmp_path: Path) -> None:
    source = BundleSource(bundle, CPU)
    workflow(bundle, scans, tmp_path / "run")
    predict(source, [scans], tmp_path / "predict", workers=1)
    for name in TABLES:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "predict" / name).read_bytes(), name
    assert record(tmp_path / "run") == record(tmp_path / "predict")
    assert {row["code"] for row in table(tmp_path / "run" / "rejected.csv")} >= {"undecodable"}
    assert sum(row["outcome"] != "no_prediction" for row in table(tmp_path / "run" / "studies.csv")) >= 1

    progress = Silent()
    predict(source, [scans], tmp_path / "run", workers=1, progress=progress)
    assert progress.resumed == progress.series > 0
    workflow(bundle, scans, tmp_path / "predict")
    counts = json.loads((tmp_path / "predict" / "run.json").read_text())["counts"]
    assert counts["resumed"] == counts["series"] > 0

    workflow(bundle, scans, tmp_path / "shards", shard=[2, 3])
    predict(source, [scans], tmp_path / "share", workers=1, shard=(2, 3))
    share = "shard-2-of-3"
    assert (tmp_path / "shards" / share / "studies.csv").read_bytes() == (
        tmp_path / "share" / share / "studies.csv"
    ).read_bytes()

    # A part that is laid over takes effect: these are other results, which do not continue the run.
    with pytest.raises(Exception) as caught:  # noqa: PT011  monai wraps what an expression raises, several deep
        workflow(bundle, scans, tmp_path / "run", **{"inferer#batch_size": 4})
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    assert "config_sha256" in str(error)


def test_masks_come_both_ways(bundle: Path, scans: Path, tmp_path: Path) -> None:
    weights = write_model(tmp_path / "models", "light", 64, heads=KIND_HEADS, mask_classes=6)
    formats = ("csv", "masks")
    workflow(bundle, scans / "dicom", tmp_path / "run", ckpt_path=str(weights), formats=list(formats))
    source = BundleSource(bundle, {**CPU, "ckpt_path": str(weights)})
    predict(source, [scans / "dicom"], tmp_path / "predict", workers=1, formats=formats)
    (one,), (other,) = ([*(tmp_path / name / "masks").iterdir()] for name in ("run", "predict"))
    assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())
    (row,) = table(tmp_path / "run" / "studies.csv")
    assert row["mask"] == f"masks/{one.name}"
