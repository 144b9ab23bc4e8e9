"""The bundle's zip, unpacked, and a Python without this package."""

import csv
import os
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets.phantom import make_cohort, write_dtvit
from ichmonai.paths import BUNDLE_NAME
from tests.phantom_volumes import write_volumes
from tests.release.bare import bare_python

SMALL = {"pretrained": False, "image_size": 64, "num_workers": 0, "split_fractions": [0.6, 0.2, 0.2], "max_epochs": 1}
SMALL |= {"batch_size": 16, "val_batch_size": 8}


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that `ichmonai bundle` writes."""
    path = tmp_path_factory.mktemp("archive") / "bundle.zip"
    result = CliRunner().invoke(app, ["bundle", str(path)])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def built(archive: Path, tmp_path: Path) -> Path:
    """The zip's content, in a folder that has nothing else."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked" / BUNDLE_NAME


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has what the bundle lists, and not this package."""
    if os.name != "posix":
        pytest.skip("links to installed packages need rights elsewhere")
    return bare_python(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def few_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `slices.csv` of four phantom slices for each of eighteen patients."""
    folder = tmp_path_factory.mktemp("few")
    write_dtvit(folder, make_cohort(18, seed=1, size=64, workers=2, ich_only=True))
    with (folder / "slices.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    patients = [row[1] for row in rows]
    kept = [row for number, row in enumerate(rows) if patients[:number].count(row[1]) < 4]
    with (folder / "few.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *kept])
    return folder / "few.csv"


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One phantom study as a folder of DICOM and as a NIfTI file in a folder."""
    return write_volumes(tmp_path_factory.mktemp("scans"))
