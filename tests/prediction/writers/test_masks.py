"""Masks as NIfTI: they lie over the scan, in whichever program, and belong to their answers."""

import csv
import re
import sqlite3
import stat
from dataclasses import replace

import itk
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ichmonai.datasets.phantom import make_study, write_dicom
from ichmonai.errors import InputError
from ichmonai.io import load_head_ct
from ichmonai.io.geometry import Geometry
from ichmonai.prediction.mask_file import nifti, pack, unpack
from ichmonai.prediction.merge import merge_shards
from tests.io.dicom_factory import write_slice
from tests.prediction.in_process import here, run
from tests.prediction.marking import BLOOD, BRAIN

FORMATS = ("masks", "csv")


def dicom_of(folder, tilt):
    study = make_study(7, kind="lobar", size=96, tilt=tilt)
    seen = np.where(study.blood > 0, BLOOD, np.where(study.head, BRAIN, -1000)).astype(np.int16)
    write_dicom(folder, [replace(study, hu=seen)])
    return next((folder / study.patient).iterdir())


def uneven(folder):
    rows, columns = np.indices((96, 96)) * 2.0
    for z in (*range(0, 60, 3), *range(60, 130, 7)):
        hu = np.where(np.hypot(rows - 95, columns - 95) < 80, BRAIN, -1000.0)
        hu[np.hypot(np.hypot(rows - 60, columns - 120), z - 60) < 20] = BLOOD
        write_slice(folder / f"{z}.dcm", (-95, -95, z), spacing=(2, 2), shape=hu.shape, hu=hu, SliceThickness="3")
    return folder


def as_itk_reads(folder):
    """A DICOM series as ITK, and so 3D Slicer and ITK-SNAP, have it."""
    names = itk.GDCMSeriesFileNames.New()
    names.SetDirectory(str(folder))
    (series,) = names.GetSeriesUIDs()
    return itk.imread(list(names.GetFileNames(series)))


def grid(image):
    direction = itk.array_from_matrix(image.GetDirection())
    return [*image.GetOrigin(), *image.GetSpacing(), *direction.ravel(), *itk.size(image)]


def masks(out):
    return {path.name: path.read_bytes() for path in (out / "masks").iterdir()}


def rows(out):
    with (out / "studies.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "write", [lambda folder: dicom_of(folder, 0.0), lambda folder: dicom_of(folder, 16.0), uneven], ids=range(3)
)
def test_the_mask_lies_over_the_scan_in_itk_and_in_the_patient(marking_bundle, tmp_path, write):
    (tmp_path / "scan").mkdir()
    folder = write(tmp_path / "scan")
    run(marking_bundle, [folder], tmp_path / "out", formats=FORMATS)
    (row,) = rows(tmp_path / "out")
    file = tmp_path / "out" / row["mask"]
    scan, mask = as_itk_reads(folder), itk.imread(str(file))
    assert grid(mask) == pytest.approx(grid(scan), abs=2e-3)
    truth, found = itk.array_view_from_image(scan) == BLOOD, itk.array_view_from_image(mask) > 0
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.93
    read = load_head_ct(folder)
    image = nib.load(file)
    np.testing.assert_allclose(image.affine, read.meta["original_affine"], atol=1e-4)
    assert image.get_data_dtype() == np.uint8
    assert set(np.unique(image.dataobj)) == {0, 5}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"masks/[0-9a-f]{16}\.nii\.gz", row["mask"])
    volume = (np.asarray(image.dataobj) > 0).sum((0, 1)) @ Geometry.of(read).extents
    spacing = float(np.linalg.norm(image.affine[:3, 0]) * np.linalg.norm(image.affine[:3, 1]))
    assert float(row["volume_ml"]) == pytest.approx(volume * spacing / 1000, rel=1e-3)


def test_the_mask_of_a_nifti_has_its_grid(marking_bundle, tmp_path):
    hu = np.full((90, 80, 40), BRAIN, np.float32)
    hu[30:50, 30:50, 10:25] = BLOOD
    hu[:5] = hu[-5:] = hu[:, :5] = hu[:, -5:] = -1000
    turned = nib.affines.from_matvec(np.diag([2.0, -2, 3]) @ nib.eulerangles.euler2mat(z=0.1, x=0.05), [-80, 70, 1000])
    nib.save(nib.Nifti1Image(hu, turned), tmp_path / "head.nii.gz")
    run(marking_bundle, [tmp_path / "head.nii.gz"], tmp_path / "out", formats=FORMATS)
    (row,) = rows(tmp_path / "out")
    path = str(tmp_path / "out" / row["mask"])
    np.testing.assert_allclose(nib.load(path).affine, turned, atol=1e-5)
    found = np.asarray(nib.load(path).dataobj) > 0
    assert 2 * (found & (hu == BLOOD)).sum() / (found.sum() + (hu == BLOOD).sum()) > 0.95
    assert "head" not in row["mask"]


def test_the_mask_of_a_picture_lies_over_it(marking_bundle, tmp_path):
    grey = np.zeros((100, 120), np.uint8)
    grey[10:90, 20:100] = round(BRAIN / 80 * 255)
    grey[20:40, 25:60] = round(BLOOD / 80 * 255)
    Image.fromarray(grey).save(tmp_path / "one.png")
    run(marking_bundle, [tmp_path / "one.png"], tmp_path / "out", formats=FORMATS)
    (row,) = rows(tmp_path / "out")
    mask = itk.imread(str(tmp_path / "out" / row["mask"]))
    found = itk.array_view_from_image(mask)[0] > 0
    truth = grey > 170
    assert found.shape == truth.shape
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93
    assert list(mask.GetOrigin())[:2] == [0, 0]
    np.testing.assert_array_equal(itk.array_from_matrix(mask.GetDirection()), np.eye(3))
    assert row["volume_ml"] == ""


@pytest.fixture
def scans(tmp_path):
    for number in range(3):
        hu = np.full((64, 64, 12), BRAIN, np.float32)
        hu[20:40, 20 : 30 + 5 * number, 4:8] = BLOOD
        hu[:5] = hu[-5:] = -1000
        (tmp_path / "scans").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(hu, np.diag([2.0, 2, 9, 1])), tmp_path / "scans" / f"{number}.nii.gz")
    return tmp_path / "scans"


def test_a_continued_run_and_merged_shards_leave_what_a_whole_one_does(marking_bundle, scans, tmp_path):
    run(marking_bundle, [scans], tmp_path / "whole", formats=FORMATS)
    whole = masks(tmp_path / "whole")
    assert sorted(f"masks/{name}" for name in whole) == sorted(row["mask"] for row in rows(tmp_path / "whole"))
    assert len(whole) == 3

    def stops(source, tasks):
        yield next(here(source, tasks))
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(marking_bundle, [scans], out, stops, formats=FORMATS)
    for file in (out / "masks").iterdir():
        file.unlink()
    assert run(marking_bundle, [scans], out, formats=FORMATS).resumed == 1
    assert masks(out) == whole

    for i in (1, 2):
        run(marking_bundle, [scans], tmp_path / "shards", shard=(i, 2))  # the journal has them, whether asked or not
    merge_shards(tmp_path / "shards", FORMATS)
    assert masks(tmp_path / "shards") == whole
    assert [row["mask"] for row in rows(tmp_path / "shards")] == [row["mask"] for row in rows(tmp_path / "whole")]


def test_a_changed_input_replaces_its_mask(marking_bundle, scans, tmp_path):
    out = tmp_path / "out"
    run(marking_bundle, [scans], out, formats=FORMATS)
    before = masks(out)
    (scans / "0.nii.gz").write_bytes((scans / "2.nii.gz").read_bytes())
    assert run(marking_bundle, [scans], out, formats=FORMATS).replaced == 1
    after = masks(out)
    assert len(after) == 3
    assert len(after.items() & before.items()) == 2
    assert {row["mask"] for row in rows(out)} == {f"masks/{name}" for name in after}
    assert len(set(after.values())) == 2


def test_weights_without_a_mask_say_so_before_any_work(small_bundle, scans, tmp_path):
    with pytest.raises(InputError, match=r"model\.pt make no mask of the blood; leave masks out"):
        run(small_bundle, [scans], tmp_path / "out", formats=FORMATS)
    assert not (tmp_path / "out" / "journal.sqlite").exists()
    for i in (1, 2):
        run(small_bundle, [scans], tmp_path / "shards", shard=(i, 2))
    with pytest.raises(InputError, match="have no masks"):
        merge_shards(tmp_path / "shards", FORMATS)


def test_packed_is_what_was_packed_and_damage_is_told(tmp_path, marking_bundle, scans):
    mask = np.random.default_rng(0).integers(0, 6, (5, 40, 30)).astype(np.uint8)
    geometry = Geometry(np.diag([-1.0, -2, 3, 1]), np.diag([1.0, 2, 3, 1]), np.array([0, 1, 2, 4, 5.5]))
    again, place = unpack(pack(mask, geometry))
    np.testing.assert_array_equal(again, mask)
    for name in ("affine", "original_affine", "places"):
        np.testing.assert_array_equal(getattr(place, name), getattr(geometry, name))
    packed = pack(mask, geometry)
    for damaged in (
        packed[:-500],
        b"",
        b"{}\n",
        packed.replace(b"[5, ", b"[6, "),
        packed.replace(b"[5, ", b"[5000000, "),
    ):
        with pytest.raises(ValueError, match=r".+"):
            unpack(damaged)
    run(marking_bundle, [scans], tmp_path / "out")
    file = tmp_path / "out" / "journal.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE answers SET mask = x'00'")
    with pytest.raises(InputError, match="is damaged"):
        run(marking_bundle, [scans], tmp_path / "out", formats=FORMATS)


def test_equal_masks_are_equal_bytes():
    geometry = Geometry(np.diag([-1.0, -2, 3, 1]), np.diag([1.0, 2, 3, 1]), np.arange(3.0))
    assert nifti(np.ones((3, 4, 5), np.uint8), geometry) == nifti(np.ones((3, 4, 5), np.uint8), geometry)
