"""Of an Enhanced CT image: every reference names the right frame, and the mask lies where the frame shows blood."""

import copy
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage

from ichmonai.classes import KINDS
from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.dicom_results.objects import REPORT, SEGMENTATION, case_of, make_objects
from ichmonai.io.geometry import Geometry
from ichmonai.io.head_ct import load_head_ct
from tests.dicom_results.conftest import DEVICE, answer_of, frames_of


@pytest.fixture
def enhanced(phantom, tmp_path: Path) -> Path:
    """The phantom as one image, its frames in another order than its slices, and pixels that are not square."""
    slices = [slice_dataset(phantom, i) for i in range(phantom.scanner.slices)]
    order = np.random.default_rng(0).permutation(len(slices))
    image = slices[0]
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    image.NumberOfFrames = len(slices)
    shared, orientation, frame_type = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = image.ImageOrientationPatient
    frame_type.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared.PlaneOrientationSequence, shared.CTImageFrameTypeSequence = [orientation], [frame_type]
    image.SharedFunctionalGroupsSequence = [shared]
    frames, pixels = [], []
    for i in order:
        frame, position, measures, values = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = slices[i].ImagePositionPatient
        measures.PixelSpacing, measures.SliceThickness = slices[i].PixelSpacing, slices[i].SliceThickness
        values.RescaleSlope, values.RescaleIntercept = slices[i].RescaleSlope, slices[i].RescaleIntercept
        values.RescaleType = "HU"
        frame.PlanePositionSequence, frame.PixelMeasuresSequence = [position], [measures]
        frame.PixelValueTransformationSequence = [values]
        frames.append(frame)
        pixels.append(slices[i].PixelData)
    image.PerFrameFunctionalGroupsSequence = frames
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del image[name]
    image.PixelData = b"".join(pixels)
    image.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    return tmp_path / "enhanced.dcm"


@pytest.fixture
def case(phantom, enhanced):
    """An answer whose mask is where the HU say that there is blood."""
    series = frames_of(enhanced)
    volume = load_head_ct(list(series.images))
    hu = np.moveaxis(volume.numpy()[0], -1, 0)
    blood = ((hu > 55) & (hu < 90)).astype(np.uint8) * (1 + KINDS.index("subdural"))
    answer = answer_of(phantom, series)
    uid = pydicom.dcmread(enhanced, stop_before_pixels=True).SOPInstanceUID
    rows = [{**row, "sop_instance_uid": uid} for row in answer.slices]
    return case_of(series, replace(answer, slices=rows, mask=blood, geometry=Geometry.of(volume)), DEVICE)


@pytest.fixture
def objects(case, tmp_path: Path) -> Path:
    folder = tmp_path / "objects"
    folder.mkdir()
    for name, one in make_objects(case).items():
        one.save_as(folder / name, enforce_file_format=True)
    return folder


def test_the_mask_lies_on_its_frames(enhanced, objects):
    image, read = pydicom.dcmread(enhanced), hd.seg.segread(objects / SEGMENTATION)
    found = read.get_pixels_by_source_frame(
        image.SOPInstanceUID, range(1, image.NumberOfFrames + 1), combine_segments=True, ignore_spatial_locations=True
    )
    for frame, stored, mask in zip(image.PerFrameFunctionalGroupsSequence, image.pixel_array, found, strict=True):
        (values,) = frame.PixelValueTransformationSequence
        hu = stored * float(values.RescaleSlope) + float(values.RescaleIntercept)
        assert ((mask > 0) == ((hu > 55) & (hu < 90))).all()
    for frame in read.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == image.SOPInstanceUID
        its_own = image.PerFrameFunctionalGroupsSequence[int(source.ReferencedFrameNumber) - 1]
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(place, its_own.PlanePositionSequence[0].ImagePositionPatient, atol=1e-3)


def test_findings_name_their_frames(enhanced, case, objects):
    image = pydicom.dcmread(enhanced, stop_before_pixels=True)
    heights = [
        frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in image.PerFrameFunctionalGroupsSequence
    ]
    frames = (np.argsort(heights) + 1).tolist()
    groups = hd.sr.srread(objects / REPORT).content.get_image_measurement_groups()
    named = {one.tracking_identifier.removeprefix("ichmonai "): one for one in groups}
    for i, number in list(enumerate(frames))[1:]:
        (source,) = named[f"slice {i + 1}"].source_images
        assert (source.referenced_sop_instance_uid, source.referenced_frame_numbers) == (image.SOPInstanceUID, [number])
    for path in objects.glob("slice-*.dcm"):
        capture = pydicom.dcmread(path)
        (source,) = capture.SourceImageSequence
        assert source.ReferencedFrameNumber == frames[int(path.stem[6:]) - 1]
        assert list(capture.PatientOrientation) == ["L", "P"]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error(objects):
    for path in sorted(objects.iterdir()):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr, path.name


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump is not installed")
def test_dsrdump_reads_it(objects):
    done = subprocess.run(["dsrdump", "-Ee", str(objects / REPORT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_frames_of_two_files_are_no_segmentation(case):
    header = copy.deepcopy(case.slices[0].header)
    header.SOPInstanceUID = "1.2.3"
    other = replace(case, slices=[replace(case.slices[0], header=header), *case.slices[1:]])
    assert SEGMENTATION not in make_objects(other)
