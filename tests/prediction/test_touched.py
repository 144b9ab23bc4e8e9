"""Answers belong to what the files hold, and not to their names."""

import csv
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ichmonai.errors import InputError
from ichmonai.io import contents
from ichmonai.prediction.bundle import BundleSource
from ichmonai.prediction.engines import make_engine
from tests.io.dicom_factory import write_head
from tests.prediction.in_process import run
from tests.prediction.test_run import contents as tables_of
from tests.prediction.test_run import table


@pytest.fixture
def scans(volume):
    """Two volumes of other content under the same suffix, outside of the folder that is predicted."""
    return volume("one"), volume("two")


@pytest.fixture
def inputs(tmp_path) -> Path:
    (tmp_path / "inputs").mkdir()
    return tmp_path / "inputs"


def digests(out: Path) -> list[str]:
    return [row["sha256"] for row in table(out / "studies.csv")]


def equals_a_new_run(source: BundleSource, given: list, out: Path) -> None:
    new = out.with_name("new")
    shutil.rmtree(new, ignore_errors=True)
    run(source, given, new)
    assert tables_of(out) == tables_of(new)


def test_another_file_under_the_same_name_is_predicted_again(small_bundle, scans, inputs, tmp_path):
    out = tmp_path / "out"
    shutil.copy(scans[0], inputs / "case.nii.gz")
    assert run(small_bundle, [inputs], out).replaced == 0
    before = digests(out)
    shutil.copy(scans[1], inputs / "case.nii.gz")
    summary = run(small_bundle, [inputs], out)
    assert (summary.resumed, summary.replaced) == (0, 1)
    assert digests(out) != before
    assert json.loads((out / "run.json").read_text())["counts"]["replaced"] == 1
    equals_a_new_run(small_bundle, [inputs], out)
    assert run(small_bundle, [inputs], out).resumed == 1


def test_a_file_of_the_same_size_and_time_is_told_apart(small_bundle, scans, inputs, tmp_path):
    out, file = tmp_path / "out", inputs / "case.nii"
    import nibabel

    for scan in scans:
        nibabel.save(nibabel.load(scan), file)
        os.utime(file, (10**9, 10**9))
        run(small_bundle, [inputs], out)
    equals_a_new_run(small_bundle, [inputs], out)


def test_a_file_that_was_only_touched_keeps_its_answer(small_bundle, scans, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "FRESH", 0)
    out, file = tmp_path / "out", inputs / "case.nii.gz"
    shutil.copy(scans[0], file)
    run(small_bundle, [inputs], out)
    os.utime(file)
    assert run(small_bundle, [inputs], out).resumed == 1
    # Its state is known now: it is not even read.
    monkeypatch.setattr("ichmonai.prediction.touched.digest_of", None)
    summary = run(small_bundle, [inputs], out)
    assert (summary.resumed, summary.replaced) == (1, 0)


def test_a_file_that_was_just_written_is_not_known_by_its_state(small_bundle, scans, inputs, tmp_path, monkeypatch):
    shutil.copy(scans[0], inputs / "case.nii.gz")
    run(small_bundle, [inputs], tmp_path / "out")
    read = []
    monkeypatch.setattr("ichmonai.prediction.touched.digest_of", lambda images: read.append(images))
    run(small_bundle, [inputs], tmp_path / "out")
    assert len(read) == 1


def test_a_refusal_is_of_the_content_as_well(small_bundle, scans, inputs, tmp_path):
    out, file = tmp_path / "out", inputs / "case.nii.gz"
    file.write_bytes(scans[0].read_bytes()[:-2000])
    run(small_bundle, [inputs], out)
    assert [row["code"] for row in table(out / "rejected.csv")] == ["undecodable"]
    assert run(small_bundle, [inputs], out).resumed == 1
    shutil.copy(scans[0], file)
    assert run(small_bundle, [inputs], out).replaced == 1
    equals_a_new_run(small_bundle, [inputs], out)


def test_a_link_that_leads_elsewhere_now(small_bundle, scans, inputs, tmp_path):
    out, link = tmp_path / "out", inputs / "case.nii.gz"
    for scan in scans:
        link.unlink(missing_ok=True)
        link.symlink_to(scan)
        summary = run(small_bundle, [inputs], out)
    assert summary.replaced == 1
    equals_a_new_run(small_bundle, [inputs], out)


def test_voxels_beside_their_header(small_bundle, scans, inputs, tmp_path):
    import itk

    out = tmp_path / "out"
    for scan in scans:
        itk.imwrite(itk.imread(str(scan)), str(inputs / "case.mhd"))
        header = inputs / "case.mhd"
        os.utime(header, (10**9, 10**9))
        summary = run(small_bundle, [header], out)
    assert summary.replaced == 1
    equals_a_new_run(small_bundle, [header], out)


def test_members_of_an_archive(small_bundle, scans, inputs, tmp_path):
    out, archive = tmp_path / "out", inputs / "all.zip"

    def pack(kind, **members):
        with zipfile.ZipFile(archive, "w", kind) as file:
            for name, scan in members.items():
                file.write(scan, f"{name}.nii.gz")

    pack(zipfile.ZIP_STORED, a=scans[0], b=scans[1])
    run(small_bundle, [inputs], out)
    pack(zipfile.ZIP_DEFLATED, b=scans[1], a=scans[0])
    summary = run(small_bundle, [inputs], out)
    assert (summary.resumed, summary.replaced) == (2, 0)
    pack(zipfile.ZIP_STORED, a=scans[1], b=scans[1])
    summary = run(small_bundle, [inputs], out)
    assert (summary.resumed, summary.replaced) == (1, 1)
    equals_a_new_run(small_bundle, [inputs], out)


def test_two_lists_that_name_other_files_alike(small_bundle, scans, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for i, scan in enumerate(scans):
        folder = tmp_path / f"place{i}"
        folder.mkdir()
        shutil.copy(scan, folder / "case.nii.gz")
        (folder / "list.csv").write_text("path\ncase.nii.gz\n")
    monkeypatch.chdir(tmp_path / "place0")
    run(small_bundle, ["list.csv"], out)
    monkeypatch.chdir(tmp_path / "place1")
    with pytest.raises(InputError, match=r"list\.csv, which is not among these inputs"):
        run(small_bundle, ["list.csv"], out)
    lists = [tmp_path / f"place{i}" / "list.csv" for i in range(2)]
    assert run(small_bundle, lists, out).series == 2
    equals_a_new_run(small_bundle, lists, out)


def test_a_dicom_series_that_changes(small_bundle, inputs, tmp_path):
    out = tmp_path / "out"
    files = write_head(inputs)
    run(small_bundle, [inputs], out)
    assert run(small_bundle, [inputs], out).resumed == 1

    def other_pixels():
        one = pydicom.dcmread(files[2])
        one.PixelData = np.roll(one.pixel_array, 7).tobytes()
        one.save_as(files[2])

    def copy():
        shutil.copy(files[1], inputs / "copy.dcm")

    for change in (other_pixels, copy, files[5].unlink):
        change()
        summary = run(small_bundle, [inputs], out)
        assert summary.replaced == 1, change
        equals_a_new_run(small_bundle, [inputs], out)


def test_shards_replace_their_own(small_bundle, scans, inputs, tmp_path):
    for name, scan in zip("ab", scans, strict=True):
        shutil.copy(scan, inputs / f"{name}.nii.gz")
    for expected in (0, 1, 0):
        assert sum(run(small_bundle, [inputs], tmp_path / "out", shard=(i, 2)).replaced for i in (1, 2)) == expected
        shutil.copy(scans[0], inputs / "b.nii.gz")


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_file_that_changes_while_it_is_read(small_bundle, scans, inputs, tmp_path, change):
    file = inputs / "case.nii.gz"
    shutil.copy(scans[0], file)
    local = make_engine("local", workers=1, timeout=30, classifies=True)

    def engine(source, tasks):
        tasks = list(tasks)  # found, and not read yet
        shutil.copy(scans[1], file) if change == "other" else file.unlink()
        return local(source, iter(tasks))

    summary = run(small_bundle, [inputs], tmp_path / "out", engine)
    (row,) = csv.DictReader((tmp_path / "out" / "rejected.csv").open())
    assert (row["code"], summary.failed) == ("failed", 1)
    assert "start the run again" in row["sentence"]
    shutil.copy(scans[1], file)
    assert run(small_bundle, [inputs], tmp_path / "out").failed == 0
    equals_a_new_run(small_bundle, [inputs], tmp_path / "out")
