"""Volumes and areas of blood, against what was drawn."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from ichmonai import Predictor
from ichmonai.classes import KINDS
from ichmonai.datasets.phantom import make_study, write_dicom, write_nifti
from ichmonai.io.geometry import Geometry
from ichmonai.prediction.blood import Blood
from ichmonai.prediction.bundle import BundleSource
from ichmonai.prediction.study_answer import StudyAnswer
from tests.io.dicom_factory import uid_of, write_slice
from tests.prediction.marking import BLOOD, BRAIN

RADIUS = 18.0
SPHERE_ML = 4 / 3 * np.pi * RADIUS**3 / 1000


@pytest.fixture(scope="module")
def predictor(marking_bundle: BundleSource) -> Predictor:
    settings = {"runtime": "torch", "accept": ["too_few_slices"]}
    return Predictor(marking_bundle.root, device="cpu", settings=settings, trust=True)


def sphere(places: np.ndarray, middle: float, pixel: float = 1.0) -> np.ndarray:
    """HU (S, H, W) of a cylinder of brain with a sphere of blood."""
    rows, columns = np.indices((190, 190)) * pixel
    across = (rows - 110) ** 2 + (columns - 70) ** 2
    hu = np.where(np.hypot(rows - 95, columns - 95) < 80, BRAIN, -1000.0)
    return np.stack([np.where(across + (z - middle) ** 2 < RADIUS**2, BLOOD, hu) for z in places])


def written(folder: Path, places: np.ndarray, middle: float, thickness: float) -> Path:
    for place, hu in zip(places, sphere(places, middle), strict=True):
        attributes = {"StudyInstanceUID": uid_of("study"), "SliceThickness": str(thickness)}
        write_slice(folder / f"{place}.dcm", (-95, -95, place), spacing=(1, 1), shape=hu.shape, hu=hu, **attributes)
    return folder


@pytest.mark.parametrize("tilt", [0.0, 17.0])
@pytest.mark.parametrize("write", [write_dicom, write_nifti])
def test_the_volume_of_a_phantom_whose_blood_is_seen(predictor: Predictor, tmp_path: Path, tilt, write) -> None:
    study = make_study(7, kind="lobar", size=192, tilt=tilt)
    seen = np.where(study.blood > 0, BLOOD, np.where(study.head, BRAIN, -1000)).astype(np.int16)
    write(tmp_path, [replace(study, hu=seen)])
    (image,) = [one for one in tmp_path.iterdir() if one.name != "truth.csv"]
    true_ml = (study.blood > 0).sum() * study.spacing**2 * study.scanner.thickness / 1000
    assert true_ml > 5
    answer = predictor(image)
    assert answer.volume_ml == pytest.approx(true_ml, rel=0.03)
    low, high = answer.volume_range_ml
    assert 0.7 * true_ml < low < answer.volume_ml < high < 1.4 * true_ml
    assert answer.kind_volumes_ml["subdural"] == answer.volume_ml
    assert sum(answer.kind_volumes_ml.values()) == answer.volume_ml
    for one, truth in zip(answer.slices, study.truth, strict=True):
        assert one.area_mm2 == pytest.approx(truth.blood_mm2, abs=0.05 * truth.blood_mm2 + 12)
    answer.save_mask(tmp_path / "mask.nii.gz")
    assert (nib.load(tmp_path / "mask.nii.gz").get_fdata() == answer.geometry.in_original_axes(answer.mask)).all()
    in_file = answer.geometry.in_original_axes(answer.mask)
    voxels = np.swapaxes(study.blood, 0, 1) > 0
    assert 2 * ((in_file > 0) & voxels).sum() / ((in_file > 0).sum() + voxels.sum()) > 0.97


@pytest.mark.parametrize(
    ("distance", "thickness"), [(1.0, 1.0), (1.25, 2.5), (2.5, 5.0), (5.0, 5.0), (7.0, 3.0)], ids=str
)
def test_thin_overlapping_and_distant_slices(predictor: Predictor, tmp_path: Path, distance, thickness) -> None:
    places = np.arange(0, 112, distance)
    answer = predictor(written(tmp_path, places, 53.0, thickness))
    averaged = any("averaged" in warning.sentence for warning in answer.warnings)
    assert averaged == (max(distance, thickness) < 3)
    assert answer.volume_ml == pytest.approx(SPHERE_ML, rel=0.06)


@pytest.mark.parametrize("middle", [30.0, 110.0], ids=["in the fine part", "in the coarse part"])
def test_slices_that_are_not_equally_far_from_each_other(predictor: Predictor, tmp_path: Path, middle) -> None:
    places = np.concatenate([np.arange(0, 70, 2.5), np.arange(70, 151, 9.0)])
    answer = predictor(written(tmp_path, places, middle, 2.5))
    assert answer.volume_ml == pytest.approx(SPHERE_ML, rel=0.08)
    assert answer.geometry.extents.sum() == pytest.approx(places[-1] - places[0] + (2.5 + 9) / 2)


def test_a_slice_alone_has_an_area_and_no_volume(predictor: Predictor, tmp_path: Path) -> None:
    answer = predictor(written(tmp_path, np.array([53.0]), 53.0, 5.0) / "53.0.dcm")
    assert answer.slices[0].area_mm2 == pytest.approx(np.pi * RADIUS**2, rel=0.03)
    assert (answer.volume_ml, answer.volume_range_ml, answer.kind_volumes_ml) == (None, None, {})
    assert answer.mask is not None


def test_what_has_no_geometry_has_a_mask_and_no_area(predictor: Predictor) -> None:
    answer: StudyAnswer = predictor(sphere(np.array([53.0]), 53.0)[0])
    assert answer.mask is not None
    assert (answer.mask > 0).sum() == pytest.approx(np.pi * RADIUS**2, rel=0.03)
    assert answer.slices[0].area_mm2 is None
    assert answer.row["volume_ml"] == answer.slices[0].kind_areas_mm2.get("subdural", "") == ""


def test_an_array_with_its_spacing(predictor: Predictor) -> None:
    hu = sphere(np.arange(0, 110, 4.0), 53.0, pixel=1.0)
    assert predictor(hu, spacing=(4, 1, 1)).volume_ml == pytest.approx(SPHERE_ML, rel=0.06)
    assert predictor(hu, spacing=(4, 0.5, 0.5)).volume_ml == pytest.approx(SPHERE_ML / 4, rel=0.06)


def test_kinds_share_what_is_blood_together() -> None:
    logits = torch.full((6, 4, 4, 1), -9.0)
    logits[0] = 0
    logits[1, 0], logits[5, 1] = 2.0, 2.0
    logits[2:4, 2] = -0.5  # two kinds that only together are more probable than none
    blood = Blood.of(logits, {"crop_squares": [[0, 0, 4]], "crop_from": [4, 4]})
    assert blood is not None
    assert blood.mask[0].tolist() == [[1] * 4, [5] * 4, [2] * 4, [0] * 4]
    assert blood.levels.tolist() == [[8, 12]]
    image = MetaTensor(torch.zeros(1, 4, 4, 1), affine=torch.diag(torch.tensor([-2.0, 3, 5, 1])).double())
    volumes, (areas,) = blood.columns(Geometry.of(image))
    assert areas["area_mm2"] == "72.0"
    assert [areas[f"area_{kind}_mm2"] for kind in KINDS] == ["24.0", "24.0", "0.0", "0.0", "24.0"]
    assert set(volumes.values()) == {""}


def test_no_numbers_of_the_network_are_no_mask() -> None:
    logits = torch.full((6, 4, 4, 1), float("nan"))
    assert Blood.of(logits, {"crop_squares": [[0, 0, 4]], "crop_from": [4, 4]}) is None


def test_slices_that_show_no_brain_have_no_blood_in_the_mask() -> None:
    logits = torch.zeros(6, 4, 4, 1)
    logits[1] = 9
    meta = {"crop_squares": [[0, 0, 4]], "crop_from": [4, 4], "slice_count": 3, "brain_slices": [1]}
    blood = Blood.of(logits, meta)
    assert blood is not None
    assert blood.mask.sum((1, 2)).tolist() == [0, 16, 0]


def test_a_volume_in_any_orientation_is_one(predictor: Predictor, tmp_path: Path) -> None:
    hu = np.moveaxis(sphere(np.arange(0, 110, 4.0), 53.0), 0, -1).astype(np.float32)  # rows, columns, slices
    affine = np.array([[0, -1.0, 0, 90], [-1.0, 0, 0, 80], [0, 0, 4.0, -20], [0, 0, 0, 1]])
    one = nib.Nifti1Image(hu, affine)
    other = one.as_reoriented(nib.orientations.axcodes2ornt("SLP")[[1, 2, 0]])
    for name, image in (("a", one), ("b", other)):
        nib.save(image, tmp_path / f"{name}.nii.gz")
    first, second = (predictor(tmp_path / f"{name}.nii.gz") for name in "ab")
    assert first.volume_ml == second.volume_ml == pytest.approx(SPHERE_ML, rel=0.06)
    for answer, image in ((first, one), (second, other)):
        beside = answer.geometry.in_original_axes(answer.mask)
        truth = np.asarray(image.dataobj) == BLOOD
        assert 2 * ((beside > 0) & truth).sum() / ((beside > 0).sum() + truth.sum()) > 0.95
