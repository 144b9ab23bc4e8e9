"""Real odd files: the test data of pydicom and nibabel, each with what becomes of it, written down once."""

import csv
import os
from pathlib import Path

import nibabel
import pydicom
import pytest

from ichmonai.io import OtherFile, Rejection, scan

TABLE = Path(__file__).parent / "odd_files.csv"
FOLDERS = {
    "pydicom": Path(pydicom.__file__).parent / "data" / "test_files",
    "nibabel": Path(nibabel.__file__).parent / "tests" / "data",
}


def outcomes(package):
    """What becomes of each file: image (and how many), other, or the code of its rejection."""
    folder = FOLDERS[package]
    found = {}
    for one in scan([folder], workers=1):
        path = one.path if isinstance(one, OtherFile | Rejection) else None
        name = os.path.relpath(path or one.source.path, folder).replace(os.sep, "/")
        what = (
            "other" if isinstance(one, OtherFile) else one.finding.code.value if isinstance(one, Rejection) else "image"
        )
        found.setdefault(name, []).append(what)
    return {name: " ".join(sorted(set(kinds))) for name, kinds in found.items()}


def _files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.mark.parametrize("package", FOLDERS)
@pytest.mark.filterwarnings("ignore")
def test_every_odd_file_ends_as_written_down(package):
    if not FOLDERS[package].is_dir():
        pytest.skip(f"{package} is installed without its test data")
    with TABLE.open(newline="") as file:
        expected = {row["file"]: row["outcome"] for row in csv.DictReader(file) if row["package"] == package}
    found = outcomes(package)
    # What later versions of the packages add, or leave out, is nobody's fault; but all that is there has an end.
    assert {name: what for name, what in found.items() if name in expected} == {
        name: what for name, what in expected.items() if name in found
    }
    assert len(set(expected) & set(found)) > 0.5 * len(expected)
    assert _files(FOLDERS[package]) - set(found) == set()
