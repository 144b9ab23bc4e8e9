"""The pictures: of the right slices, outlined where the mask is, and with the notice burnt in."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

from ichmonai.dicom_results.captures import make_captures
from ichmonai.dicom_results.key_slice import outlined
from ichmonai.dicom_results.objects import case_of, make_objects
from tests.dicom_results.conftest import DEVICE, answer_of, series_of


@pytest.fixture
def pictures(series, answer):
    return make_captures(case_of(series, answer, DEVICE))


def pixels(capture):
    return np.frombuffer(capture.PixelData, np.uint8)[: capture.Rows * capture.Columns * 3].reshape(
        capture.Rows, capture.Columns, 3
    )


def test_key_slices_and_a_summary(pictures, answer, series):
    above = [i for i, row in enumerate(answer.slices) if float(row.get("p_ich") or 0) > 0.5]
    assert list(pictures) == ["summary.dcm", *(f"slice-{i + 1:03}.dcm" for i in above[:8])]
    assert len({one.SOPInstanceUID for one in pictures.values()}) == len(pictures)
    (series_uid,) = {one.SeriesInstanceUID for one in pictures.values()}
    assert series_uid != series.series
    assert [one.InstanceNumber for one in pictures.values()] == list(range(1, len(pictures) + 1))
    for i, capture in zip(above, list(pictures.values())[1:], strict=False):
        (source,) = capture.SourceImageSequence
        assert source.ReferencedSOPInstanceUID == answer.slices[i]["sop_instance_uid"]
        assert list(capture.PatientOrientation) == ["L", "P"]
        assert "not for clinical use" in capture.ImageComments
    assert {one.StudyInstanceUID for one in pictures.values()} == {series.study}


def test_a_negative_answer_has_its_leading_slice(series, phantom):
    answer = answer_of(phantom, series, "negative")
    made = make_captures(case_of(series, replace(answer, mask=None), DEVICE))
    assert list(made) == ["summary.dcm", f"slice-{answer.study['leading_slice'] + 1:03}.dcm"]


def test_the_notice_and_the_probability_are_burnt_in(pictures, series, answer):
    """In bands above and below, which hold something else than black, and change with the probability."""
    name, capture = list(pictures.items())[1]
    shown = pixels(capture)
    assert shown[:40].max() == 255
    assert shown[-40:].max() == 255
    i = int(name[6:9]) - 1
    answer.slices[i]["p_ich"] = "0.610000"
    other = make_captures(case_of(series, answer, DEVICE))[name]
    assert (pixels(other)[:40] != shown[:40]).any()
    assert (pixels(other)[40:] == shown[40:]).all()


def test_the_outline_is_where_the_mask_is():
    view = np.full((64, 48), 100, np.uint8)
    mask = np.zeros((64, 48), np.uint8)
    mask[10:20, 30:40] = 3
    drawn = np.asarray(outlined(view, mask, (1.0, 2.0))).astype(int)
    assert drawn.shape == (round(768 * 64 / 96), 768, 3)
    red = drawn[..., 0] - drawn[..., 1] > 100
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max()) == pytest.approx((80, 160), abs=3)  # 8 pixels a row, 16 a column
    assert (columns.min(), columns.max()) == pytest.approx((480, 640), abs=3)
    assert not red[90:150, 500:620].any()
    assert not (np.asarray(outlined(view, None, (1.0, 2.0)))[..., 0] != 100).any()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error(series, answer, tmp_path):
    for name, made in make_objects(case_of(series, answer, DEVICE)).items():
        made.save_as(tmp_path / name, enforce_file_format=True)
        done = subprocess.run(["dciodvfy", str(tmp_path / name)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr, name


def test_pictures_are_called_as_the_images(phantom, write_series, tmp_path):
    called = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}
    series = series_of(write_series(**called, PatientID="7", LossyImageCompression="01"))
    for name, made in make_objects(case_of(series, answer_of(phantom, series), DEVICE)).items():
        made.save_as(tmp_path / name, enforce_file_format=True)
        read = pydicom.dcmread(tmp_path / name)
        assert read.PatientName == called["PatientName"]
        assert (read.PatientID, read.StudyDescription) == ("7", "CT HEAD PHANTOM")
        assert read.Modality in ("SR", "SEG") or read.LossyImageCompression == "01"


def test_slices_that_lie_otherwise_are_shown_as_they_lie(phantom, write_series):
    folder = write_series(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    series = series_of(folder)
    answer = answer_of(phantom, series)
    made = make_captures(case_of(series, answer, DEVICE))
    name, capture = list(made.items())[1]
    assert list(capture.PatientOrientation) == ["R", "A"]
    stored = pydicom.dcmread(folder / f"{int(name[6:9]) - 1:02}.dcm")
    hu = stored.pixel_array * float(stored.RescaleSlope) + float(stored.RescaleIntercept)
    expected = Image.fromarray((hu.clip(0, 80) / 80 * 255).round().astype(np.uint8)).resize((768, 768))
    shown = pixels(capture)[40:-40].astype(int)
    grey = np.ptp(shown, axis=-1) == 0
    assert np.abs(shown[..., 0] - np.asarray(expected, int))[grey].mean() < 4
