from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

from ichmonai.io.findings import Code, Finding
from ichmonai.io.formats.dicom.headers import read_dicom
from ichmonai.io.series import ImageSource, Series, Technique
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.noise import brain_noise
from ichmonai.prediction.rows import TECHNIQUE
from ichmonai.prediction.steps import Answer
from tests.io.dicom_factory import write_enhanced, write_slice
from tests.prediction.test_run import run, table


def head(noise: float, slices: int = 20) -> torch.Tensor:
    """A round brain of two tissues with a skull, in air."""
    row, column = np.indices((160, 160)) - 80
    radius = np.hypot(row, column)
    plane = np.where(radius < 60, np.where(column > 0, 28.0, 37.0), np.where(radius < 68, 900.0, -1000.0))
    added = np.random.default_rng(0).normal(0, noise, (160, 160, slices)) if noise else 0.0
    return torch.from_numpy((plane[..., None] + added).astype(np.float32)[None])


@pytest.mark.parametrize("noise", [2.0, 5.0, 8.0])
def test_noise_is_measured(noise: float) -> None:
    assert brain_noise(head(noise)) == pytest.approx(noise, rel=0.1)


def test_without_noise_and_without_brain() -> None:
    assert brain_noise(head(0.0)) < 0.2
    assert brain_noise(head(5.0)[..., 3]) == pytest.approx(5.0, rel=0.1)  # a slice alone
    assert brain_noise(torch.full((1, 64, 64, 5), -1000.0)) is None
    assert brain_noise(torch.full((1, 2, 2), 30.0)) is None


def test_the_table_says_how_a_series_was_scanned(small_bundle, tmp_path: Path) -> None:
    scanner = {"Manufacturer": "SIEMENS Doe", "ManufacturerModelName": "SOMATOM Force Doe", "KVP": "120"}
    scanner |= {"ConvolutionKernel": "J40s", "SliceThickness": "4.5"}
    plane = head(5.0)[0].numpy()
    for i in range(20):
        place = {"position": (-80, -80, 5.0 * i), "spacing": (1.0, 1.0), "hu": plane[..., i]}
        write_slice(tmp_path / "scans" / f"{i}.dcm", **place, StudyInstanceUID="1.2", **scanner)
    run(small_bundle, [tmp_path / "scans"], tmp_path / "out")
    (row,) = table(tmp_path / "out" / "studies.csv")
    assert [row[name] for name in TECHNIQUE[:5]] == ["Siemens", "SOMATOM Force", "J40s", "120", "4.5"]
    assert 4.5 < float(row["noise_hu"]) < 5.5


def test_what_was_refused_when_it_was_read_has_a_scanner_too(tmp_path: Path) -> None:
    series = Series("s", "t", (ImageSource("x.dcm"),), technique=Technique("GE", "REVOLUTION", "STANDARD", 140.0, 2.5))
    journal = Journal(tmp_path / "journal.sqlite", {})
    journal.plan([series], [])
    journal.record(series, Answer(Finding(Code.NOT_HU, "A sentence.")))
    (row,) = journal.study_rows()
    assert row["flags"] == "not_hu"
    assert [row[name] for name in TECHNIQUE] == ["GE", "REVOLUTION", "STANDARD", "140", "2.5", ""]


def test_frames_have_a_voltage(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_enhanced(tmp_path / "e.dcm", [0.0, 5.0]))
    for frame, value in zip(dataset.PerFrameFunctionalGroupsSequence, (100, 1e9), strict=True):
        details = pydicom.Dataset()
        details.KVP = value
        frame.CTXRayDetailsSequence = [details]
    dataset.save_as(tmp_path / "e.dcm")
    with (tmp_path / "e.dcm").open("rb") as file:
        assert [one.kvp for one in read_dicom(file, ImageSource("e.dcm"))] == [100.0, None]
