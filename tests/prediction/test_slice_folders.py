"""A folder of 8-bit slices as one study."""

import csv
import json
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets.phantom import PhantomKind, make_study
from tests.prediction.test_run import run, table

SIZE = 96


@pytest.fixture(scope="module")
def grey():
    """Slices of a phantom, (S, H, W) uint8 of 0 to 80 HU."""
    hu = make_study(7, PhantomKind.DEEP, SIZE).hu[..., 8:20]
    return np.moveaxis((255 * np.clip(hu / 80, 0, 1)).round().astype(np.uint8), -1, 0)


@pytest.fixture
def folder(tmp_path, grey):
    place = tmp_path / "scans" / "patient A"
    place.mkdir(parents=True)
    for number, one in enumerate(grey, 1):
        Image.fromarray(one).save(place / f"slice {number}.png")
    (place / "notes.txt").write_text("by hand")
    return place


def test_it_is_answered_as_the_volume_of_its_slices_in_natural_order(small_bundle, tmp_path, folder, grey):
    volume = np.transpose(grey, (2, 1, 0)).astype(np.float32) * (80 / 255)
    (tmp_path / "volume").mkdir()
    nib.save(nib.Nifti1Image(volume, np.diag([-2.0, -2.0, 12.0, 1.0])), tmp_path / "volume" / "one.nii.gz")
    run(small_bundle, [tmp_path / "volume"], tmp_path / "of volume")
    run(small_bundle, [tmp_path / "scans"], tmp_path / "out", one_study_per_folder=True)
    expected, (found,) = table(tmp_path / "of volume" / "slices.csv"), table(tmp_path / "out" / "studies.csv")
    slices = table(tmp_path / "out" / "slices.csv")
    assert len(slices) == len(expected) == len(grey)
    for one, other in zip(slices, expected, strict=True):
        assert float(one["p_ich"]) == pytest.approx(float(other["p_ich"]), abs=1e-4)
    assert len({one["p_ich"] for one in slices}) > 3  # or their order would not show
    (other,) = table(tmp_path / "of volume" / "studies.csv")
    for name in ("p_ich", "p_deep"):
        assert float(found[name]) == pytest.approx(float(other[name]), abs=1e-4)
    assert found["leading_slice"] == other["leading_slice"]
    assert found["study"] == found["path"] == str(folder)


def test_its_volume_is_unknown_and_that_is_said(marking_bundle, tmp_path, folder):
    run(marking_bundle, [folder], tmp_path / "out", one_study_per_folder=True)
    (row,) = table(tmp_path / "out" / "studies.csv")
    assert row["flags"] == "no_spacing"
    assert row["volume_ml"] == ""


def test_unless_asked_each_slice_is_a_study(small_bundle, tmp_path, folder, grey):
    run(small_bundle, [folder], tmp_path / "out")
    assert len(table(tmp_path / "out" / "studies.csv")) == len(grey)
    with pytest.raises(Exception, match="one_study_per_folder"):
        run(small_bundle, [folder], tmp_path / "out", one_study_per_folder=True)


def test_folders_and_archives_are_studies_of_their_own(small_bundle, tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "scans" / "two.zip", "w") as archive:
        for name in ("B", "C/D"):
            for number in (10, 9):
                archive.write(folder / f"slice {number}.png", f"{name}/{number}.PNG")
    run(small_bundle, [tmp_path / "scans"], tmp_path / "out", one_study_per_folder=True)
    rows = {Path(row["study"]).name: row for row in table(tmp_path / "out" / "studies.csv")}
    assert {name: row["slices"] for name, row in rows.items()} == {"patient A": "12", "B": "2", "D": "2"}
    assert rows["B"]["p_ich"] == rows["D"]["p_ich"]


def test_slices_of_different_size_are_refused(small_bundle, tmp_path, folder):
    Image.new("L", (SIZE, SIZE + 2)).save(folder / "slice 13.png")
    run(small_bundle, [folder], tmp_path / "out", one_study_per_folder=True)
    (row,) = [one for one in table(tmp_path / "out" / "rejected.csv") if one["code"] == "bad_geometry"]
    assert "96 x 96" in row["sentence"]
    assert "98 x 96" in row["sentence"]
    assert str(folder) in row["sentence"]


def test_a_damaged_slice_refuses_the_study(small_bundle, tmp_path, folder):
    whole = (folder / "slice 4.png").read_bytes()
    (folder / "slice 4.png").write_bytes(whole[: len(whole) // 2])
    run(small_bundle, [folder], tmp_path / "out", one_study_per_folder=True)
    (row,) = table(tmp_path / "out" / "rejected.csv")
    assert row["code"] in ("undecodable", "unreadable")
    assert "slice 4.png" in row["sentence"]


def test_pictures_of_something_else_are_refused(whole_bundle, tmp_path):
    noise = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    for number in range(12):
        picture = Image.fromarray(noise.integers(0, 255, (12, 12), np.uint8)).resize((SIZE, SIZE))
        picture.save(tmp_path / "photographs" / f"{number}.jpg")
    run(whole_bundle, [tmp_path / "photographs"], tmp_path / "out", one_study_per_folder=True)
    (row,) = table(tmp_path / "out" / "rejected.csv")
    assert row["code"] == "not_head"


def test_the_command_has_it(small_bundle, tmp_path, folder):
    given = ["--bundle", str(small_bundle.root), "--trust", "--device", "cpu", "--workers", "1", "--json"]
    done = CliRunner().invoke(
        app, ["predict", str(folder), "--out", str(tmp_path / "out"), "--one-study-per-folder", *given]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["series"] == 1
    with (tmp_path / "out" / "studies.csv").open(newline="") as file:
        assert [row["slices"] for row in csv.DictReader(file)] == ["12"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["one_study_per_folder"] is True
