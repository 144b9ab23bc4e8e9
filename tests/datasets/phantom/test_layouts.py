"""The phantom on disk: DICOM, NIfTI, DTViT and RSNA layouts, and the command."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import typer
from PIL import Image
from pydicom.uid import CTImageStorage
from typer.testing import CliRunner

from ichmonai.classes import RSNA_LABELS
from ichmonai.commands.phantom import phantom
from ichmonai.datasets.phantom import (
    PhantomStudy,
    make_study,
    write_dicom,
    write_dtvit,
    write_nifti,
    write_rsna,
)

SIZE = 64


@pytest.fixture(scope="module")
def tilted() -> PhantomStudy:
    return make_study(21, "deep", SIZE, patient="1p0001", tilt=17.0)


@pytest.fixture(scope="module")
def cohort(tilted: PhantomStudy) -> list[PhantomStudy]:
    kinds = ("normal", "lobar", "subdural")
    return [tilted, *(make_study(i, kind, SIZE, patient=f"1p{i:04d}") for i, kind in enumerate(kinds, start=2))]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _series(folder: Path) -> list[pydicom.Dataset]:
    datasets = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    return sorted(datasets, key=lambda ds: float(ds.ImagePositionPatient[2]))


def test_dicom_holds_the_study(tmp_path, tilted):
    truth = write_dicom(tmp_path, [tilted])
    in_name_order = [pydicom.dcmread(path).InstanceNumber for path in sorted(tmp_path.rglob("*.dcm"))]
    assert in_name_order != sorted(in_name_order)
    series = _series(tmp_path)
    assert len(series) == tilted.hu.shape[2]
    assert len({ds.SeriesInstanceUID for ds in series}) == 1
    assert len({ds.SOPInstanceUID for ds in series}) == len(series)
    hu = np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in series], axis=-1)
    np.testing.assert_array_equal(hu, tilted.hu)
    for row in _rows(truth):
        ds = pydicom.dcmread(tmp_path / row["file"])
        assert int(ds.InstanceNumber) == int(row["slice"]) + 1
        assert row["patient"] == ds.PatientID == tilted.patient
        assert ds.SOPClassUID == CTImageStorage


def test_dicom_geometry_is_the_affine(tmp_path, tilted):
    write_dicom(tmp_path, [tilted])
    to_ras = np.diag([-1.0, -1.0, 1.0])
    for s, ds in enumerate(_series(tmp_path)):
        orientation = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
        position, spacing = np.array(ds.ImagePositionPatient, float), np.array(ds.PixelSpacing, float)
        for row, column in ((0, 0), (5, 40), (63, 10)):
            expected = position + row * spacing[0] * orientation[1] + column * spacing[1] * orientation[0]
            actual = (tilted.affine @ [row, column, s, 1.0])[:3]
            np.testing.assert_allclose(actual, to_ras @ expected, atol=1e-3)
        assert float(ds.GantryDetectorTilt) == 17.0


def test_tilt_shears_and_keeps_the_thickness(tilted):
    row, column, step = tilted.affine[:3, 1], tilted.affine[:3, 0], tilted.affine[:3, 2]
    normal = np.cross(row, column) / np.linalg.norm(np.cross(row, column))
    assert abs(normal @ step) == pytest.approx(5.0)  # slices follow each other without a gap
    assert np.rad2deg(np.arccos(abs(normal @ step) / np.linalg.norm(step))) == pytest.approx(17.0)
    straight = make_study(21, "deep", SIZE, tilt=0.0)
    assert np.linalg.norm(straight.affine[:3, 2]) == pytest.approx(5.0)


def test_nifti_agrees_with_dicom(tmp_path, tilted):
    write_nifti(tmp_path, [tilted])
    image = nib.load(tmp_path / "1p0001.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    np.testing.assert_array_equal(np.swapaxes(np.asarray(image.dataobj), 0, 1), tilted.hu)
    assert image.get_data_dtype() == np.int16
    for index in ((0, 0, 0), (50, 3, 20)):
        np.testing.assert_allclose(
            image.affine @ [index[1], index[0], index[2], 1], tilted.affine @ [*index, 1], atol=1e-3
        )


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error(tmp_path):
    for seed in range(4):  # the four ways to store pixels
        write_dicom(tmp_path, [make_study(seed, "normal", SIZE, patient=f"1p{seed:04d}", tilt=5.0 * seed)])
    storage = set()
    for path in sorted(tmp_path.rglob("*.dcm"))[::9]:
        result = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        complaints = [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("Error")]
        assert not complaints
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        storage.add((ds.BitsStored, ds.PixelRepresentation, float(ds.RescaleIntercept)))
    assert len(storage) == 4


def test_dtvit_layout(tmp_path, cohort):
    truth = {row["file"]: row for row in _rows(write_dtvit(tmp_path, cohort))}
    rows = _rows(tmp_path / "slices.csv")
    assert {row["image"] for row in rows} == set(truth)
    assert {row["image"] for row in rows} == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.jpg")}
    assert {row["patient"] for row in rows} == {study.patient for study in cohort if study.kind.value != "subdural"}
    by_patient = {study.patient: study for study in cohort}
    for row in rows:
        folder, _, name = row["image"].rpartition("/")
        assert folder == {"": "no", "deep": "yes/Deep", "lobar": "yes/Lobar"}[row["location"]]
        number, patient = name.removesuffix(".jpg").split("-")
        assert number.isdigit()
        assert patient == row["patient"]
        assert row["ich"] == ("1" if folder.startswith("yes") else "0")
        study, record = by_patient[patient], truth[row["image"]]
        assert float(record["brain_mm2"]) > 0
        grey = np.asarray(Image.open(tmp_path / row["image"])).astype(float)
        s = int(record["slice"])
        hu = np.clip(study.hu[..., s], 0, 80)
        assert np.abs(grey[study.head[..., s]] * 80 / 255 - hu[study.head[..., s]]).mean() < 3.0
        assert grey[study.holder[..., s]].mean() < 8.0 if study.holder[..., s].any() else True


def test_rsna_layout(tmp_path, cohort):
    truth = _rows(write_rsna(tmp_path, cohort))
    labels = {row["ID"]: row["Label"] for row in _rows(tmp_path / "stage_2_train.csv")}
    files = sorted((tmp_path / "stage_2_train").glob("ID_*.dcm"))
    assert len(files) == len(truth) == sum(study.hu.shape[2] for study in cohort)
    assert len(labels) == 6 * len(files)
    for row in truth:
        stem = Path(row["file"]).stem
        assert len(stem) == len("ID_") + 9
        assert {name: labels[f"{stem}_{name}"] for name in RSNA_LABELS} == {name: row[name] for name in RSNA_LABELS}
    assert {pydicom.dcmread(path, stop_before_pixels=True).PatientID for path in files} == {
        study.patient for study in cohort
    }


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(phantom)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        ("dicom", "*/*/*.dcm"),
        ("nifti", "*.nii.gz"),
        ("dtvit", "*/**/*.jpg"),
        ("rsna", "*/*.dcm"),
        ("ct-ich", "ct_scans/*.nii"),
        ("cq500", "*/*/CT Plain/*.dcm"),
        ("bhsd", "images/*.nii.gz"),
    ],
)
def test_command_writes_every_layout(tmp_path, run, layout, pattern):
    out = tmp_path / "new" / "cohort"
    result = run(out, "--patients", 2, "--format", layout, "--size", 64, "--workers", 1, "--seed", 1)
    assert result.exit_code == 0, result.output
    rows = _rows(out / "truth.csv")
    assert {row["patient"] for row in rows} == {"1p0001", "1p0002"}
    assert {row["file"] for row in rows} == {path.relative_to(out).as_posix() for path in out.glob(pattern)}


def test_command_leaves_a_filled_folder_alone(tmp_path, run):
    (tmp_path / "precious.txt").write_text("mine")
    result = run(tmp_path, "--patients", 1)
    assert result.exit_code == 2
    assert "not empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_command_explains_what_cannot_be_a_folder(tmp_path, run):
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file", "--patients", 1)
    assert result.exit_code == 2
    assert "choose another folder" in " ".join(result.output.replace("│", " ").split())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user who can be refused")
def test_command_explains_a_folder_it_may_not_write_to(tmp_path, run):
    tmp_path.chmod(0o500)
    result = run(tmp_path, "--patients", 1)
    tmp_path.chmod(0o700)
    assert result.exit_code == 2
    assert "choose another folder" in " ".join(result.output.replace("│", " ").split())
