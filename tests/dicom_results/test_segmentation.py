"""The segmentation: the mask, where its images are."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import replace

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest

from ichmonai.classes import KINDS
from ichmonai.datasets.phantom import make_study
from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.dicom_results.objects import SEGMENTATION, case_of, make_objects
from ichmonai.dicom_results.segmentation import make_segmentation
from ichmonai.io.geometry import Geometry
from ichmonai.io.head_ct import load_head_ct
from ichmonai.prediction.steps import Answer
from tests.dicom_results.conftest import DEVICE, SIZE, answer_of, series_of

ORIENTATIONS = {
    "supine": [1, 0, 0, 0, 1, 0],
    "prone": [-1, 0, 0, 0, -1, 0],
    "mirrored": [-1, 0, 0, 0, 1, 0],
    "turned": [0, 1, 0, -1, 0, 0],
}


def stored(images, segmentation):
    """The mask of each image in its own rows and columns, 0 or the name of a segment's number."""
    found = segmentation.get_pixels_by_source_instance(
        [one.SOPInstanceUID for one in images], combine_segments=True, ignore_spatial_locations=True
    )
    return found


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_blood_lies_where_the_images_show_it(phantom, write_series, orientation, tmp_path):
    """Where the HU say it, whichever way the images lie: blood was drawn, and is brighter than what is around it."""
    folder = write_series(ImageOrientationPatient=orientation)
    series = series_of(folder)
    answer = answer_of(phantom, series)
    volume = load_head_ct(list(series.images))
    hu = np.moveaxis(volume.numpy()[0], -1, 0)
    bright = ((hu > 55) & (hu < 90)).astype(np.uint8) * (1 + KINDS.index("subdural"))
    answer = replace(answer, mask=bright, geometry=Geometry.of(volume))
    made = make_objects(case_of(series, answer, DEVICE))[SEGMENTATION]
    made.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    read = hd.seg.segread(tmp_path / "seg.dcm")
    images = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    masks = stored(images, read)
    for image, mask in zip(images, masks, strict=True):
        own = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
        assert ((mask > 0) == ((own > 55) & (own < 90))).all()
    assert read.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    places = {tuple(f.PlanePositionSequence[0].ImagePositionPatient) for f in read.PerFrameFunctionalGroupsSequence}
    assert places <= {tuple(one.ImagePositionPatient) for one in images}
    assert (
        list(read.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient) == orientation
    )


def test_a_segment_for_each_kind_that_is_marked(series, answer):
    mask = np.zeros_like(answer.mask)
    mask[5, 10:14, 10:14] = 1 + KINDS.index("epidural")
    mask[6, 20:24, 10:14] = 1 + KINDS.index("subdural")
    made = make_segmentation(case_of(series, replace(answer, mask=mask), DEVICE))
    assert [one.SegmentLabel for one in made.SegmentSequence] == ["epidural haemorrhage", "subdural haemorrhage"]
    assert made.NumberOfFrames == 2
    for one in made.SegmentSequence:
        assert one.SegmentAlgorithmType == "AUTOMATIC"
        assert one.SegmentedPropertyTypeCodeSequence[0].CodeValue == "50960005"
        assert one.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "ichmonai"


def test_nothing_marked_is_no_segmentation(series, answer, phantom, write_series):
    assert make_segmentation(case_of(series, replace(answer, mask=np.zeros_like(answer.mask)), DEVICE)) is None
    assert make_segmentation(case_of(series, replace(answer, mask=None), DEVICE)) is None
    nowhere = series_of(write_series("nowhere", FrameOfReferenceUID=None))
    assert SEGMENTATION not in make_objects(case_of(nowhere, answer_of(phantom, nowhere), DEVICE))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error(series, answer, tmp_path):
    make_segmentation(case_of(series, answer, DEVICE)).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    done = subprocess.run(["dciodvfy", str(tmp_path / "seg.dcm")], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("dcmqi") is None, reason="dcmqi is not installed")
def test_dcmqi_reads_the_same_mask(tmp_path):
    """Of a series without tilt: the volume that it makes has no shear."""
    upright = make_study(3, kind="deep", size=SIZE, tilt=0)
    (tmp_path / "scan").mkdir()
    for i in range(upright.scanner.slices):
        slice_dataset(upright, i).save_as(tmp_path / "scan" / f"{i:02}.dcm", enforce_file_format=True)
    series = series_of(tmp_path / "scan")
    answer = answer_of(upright, series)
    make_segmentation(case_of(series, answer, DEVICE)).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    arguments = ["--inputDICOM", str(tmp_path / "seg.dcm"), "--outputDirectory", str(tmp_path), "-t", "nii"]
    read = "import dcmqi, sys; dcmqi.segimage2itkimage()"
    done = subprocess.run([sys.executable, "-c", read, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("*.nii*")
    found, mask = nib.load(path), answer.mask > 0
    assert np.count_nonzero(np.asanyarray(found.dataobj)) == mask.sum()
    places = nib.affines.apply_affine(found.affine, np.argwhere(np.asanyarray(found.dataobj)))
    affine = load_head_ct(list(series.images)).affine.numpy()
    ours = nib.affines.apply_affine(affine, np.argwhere(np.moveaxis(mask, 0, -1)))
    assert np.allclose(np.sort(places, axis=0), np.sort(ours, axis=0), atol=0.01)


@pytest.mark.data
def test_a_real_tilted_series_has_valid_objects(real_data, tmp_path):
    folder = real_data / "dicom" / "ge_tilted_head"
    series = series_of(folder)
    volume = load_head_ct(list(series.images))
    hu = np.moveaxis(volume.numpy()[0], -1, 0)
    blood = ((hu > 60) & (hu < 75)).astype(np.uint8) * 2
    rows = [
        {"slice": i, "sop_instance_uid": uid, "state": "classified", "p_ich": f"{0.9 - i / 100:.6f}"}
        for i, uid in enumerate(volume.meta["sop_instance_uids"])
    ]
    study = {"study": series.study, "series": series.series, "outcome": "positive", "p_ich": "0.9", "location": "lobar"}
    study |= {"leading_slice": 0, "p_deep": "0.1", "p_lobar": "0.8", "p_subtentorial": "0.1"}
    answer = Answer(None, study, rows, content="00", mask=blood, geometry=Geometry.of(volume))
    made = make_objects(case_of(series, answer, DEVICE))
    images = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, sorted(map(str, folder.rglob("*.dcm"))))}
    first = next(iter(images.values()))
    for name, one in made.items():
        one.save_as(tmp_path / name, enforce_file_format=True)
        assert (one.PatientID, one.PatientName, one.StudyInstanceUID) == (
            first.PatientID,
            first.PatientName,
            first.StudyInstanceUID,
        )
        if shutil.which("dciodvfy"):
            done = subprocess.run(["dciodvfy", str(tmp_path / name)], capture_output=True, text=True, check=False)
            new = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
            assert not new, name
    masks = stored([images[row["sop_instance_uid"]] for row in rows], hd.seg.segread(tmp_path / SEGMENTATION))
    for row, mask in zip(rows, masks, strict=True):
        image = images[row["sop_instance_uid"]]
        own = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
        assert ((mask > 0) == ((own > 60) & (own < 75))).all()
