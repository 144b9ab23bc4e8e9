"""DICOM objects of a run: of every answer that is of DICOM, once, and of the answer that stands."""

import builtins
import functools
import shutil

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.dicom_results.writer import DicomObjects
from ichmonai.errors import InputError
from tests.io.dicom_factory import uid_of, write_slice
from tests.prediction.in_process import run

WHOSE = {"PatientName": "Secret^Name", "PatientID": "0815", "PatientSex": "", "FrameOfReferenceUID": uid_of("frame")}


def write_study(folder, name, seed=0, **attributes):
    hu = np.random.default_rng(seed).normal(30, 20, (96, 96)).round()
    ids = {"StudyInstanceUID": uid_of(name), "SeriesInstanceUID": uid_of(f"{name} series"), **WHOSE, **attributes}
    for i in range(12):
        path = folder / name / f"{name}{i}.dcm"
        write_slice(path, (-10, -12, 9.0 * i), shape=hu.shape, spacing=(2, 2), hu=hu, **ids)
    return folder / name


def into(folder):
    return (functools.partial(DicomObjects, folder),)


def reports(folder):
    found = [pydicom.dcmread(path) for path in folder.glob("*/report.dcm")]
    return {one.StudyInstanceUID: one for one in found}


def states(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*.dcm")}


def test_every_dicom_series_with_an_answer_has_objects(small_bundle, tmp_path, volume):
    scans = volume("nifti").parent
    for seed, name in enumerate(("one", "two")):
        write_study(scans, name, seed)
    write_study(scans, "bare", 3, Modality="MR")
    out, objects = tmp_path / "out", tmp_path / "objects"
    summary = run(small_bundle, [scans], out, more_writers=into(objects))
    assert set(reports(objects)) == {uid_of("one"), uid_of("two")}
    assert all(report.PatientID == "0815" for report in reports(objects).values())
    assert summary.notes == ["1 series got no DICOM objects, because they are no DICOM images."]
    assert (objects.stat().st_mode & 0o777, next(iter(states(objects))).stat().st_mode & 0o777) == (0o700, 0o600)
    for file in out.iterdir():  # whose they are stands in the objects alone
        assert b"Secret" not in file.read_bytes()


def test_a_run_that_is_continued_writes_what_is_not_there(small_bundle, tmp_path):
    for seed, name in enumerate(("one", "two")):
        write_study(tmp_path / "scans", name, seed)
    out, objects = tmp_path / "out", tmp_path / "objects"
    run(small_bundle, [tmp_path / "scans"], out)
    run(small_bundle, [tmp_path / "scans"], out, more_writers=into(objects))  # of answers of an earlier run
    before = states(objects)
    assert len(before) >= 2
    uids = {report.SOPInstanceUID for report in reports(objects).values()}
    run(small_bundle, [tmp_path / "scans"], out, more_writers=into(objects))
    assert states(objects) == before
    gone = next(objects.iterdir())
    shutil.rmtree(gone)
    run(small_bundle, [tmp_path / "scans"], out, more_writers=into(objects))
    assert states(objects).keys() == before.keys()
    assert {report.SOPInstanceUID for report in reports(objects).values()} == uids


def test_a_new_answer_replaces_the_objects_of_the_old_one(small_bundle, tmp_path):
    scans, out, objects = tmp_path / "scans", tmp_path / "out", tmp_path / "objects"
    write_study(scans, "one")
    run(small_bundle, [scans], out, more_writers=into(objects))
    (before,) = reports(objects).values()
    next(objects.iterdir()).joinpath("of an earlier version.dcm").touch()
    write_study(scans, "one", seed=1)
    run(small_bundle, [scans], out, more_writers=into(objects))
    (after,) = reports(objects).values()
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert not list(objects.glob("*/of an earlier version.dcm"))


def test_headers_that_make_no_objects_do_not_stop_a_run(small_bundle, tmp_path, monkeypatch):
    def refuses(case):
        raise ValueError("Secret^Name is no name")

    monkeypatch.setattr("ichmonai.dicom_results.objects.make_report", refuses)
    write_study(tmp_path / "scans", "one")
    summary = run(small_bundle, [tmp_path / "scans"], tmp_path / "out", more_writers=into(tmp_path / "objects"))
    assert summary.positive + summary.negative == 1
    (note,) = summary.notes
    assert note == (
        "1 series got no DICOM objects, because their headers are not what DICOM wants (the first: "
        f"{uid_of('one series')}: ValueError); their answers are in the tables."
    )
    assert not list((tmp_path / "objects").glob("*/*"))


def test_what_is_missing_is_said_before_any_work(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "highdicom":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"install it with: pip install \"ichmonai\[pacs\]\""):
        DicomObjects.require()
    asked = ["predict", str(tmp_path), "--out", str(tmp_path / "out"), "--dicom-out", str(tmp_path / "objects")]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    assert "need highdicom" in result.output
    assert not (tmp_path / "out").exists()
