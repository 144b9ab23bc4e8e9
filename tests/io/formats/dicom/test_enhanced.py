"""Enhanced multi-frame CT: each frame by its own functional groups."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from ichmonai.io import Code, HeadCTReadError, ImageHeader, ImageSource, Rejection, group_series, load_head_ct, scan
from ichmonai.io.formats.dicom import slices as dicom
from tests.io.dicom_factory import SUPINE, hu_at, uid_of, write_enhanced, write_slice
from tests.io.formats.dicom.test_transfer_syntaxes import jpeg2000

HEIGHTS = (10.0, 0.0, 15.0, 5.0)
RESCALES = ((1, -1024), (1, -1000), (2, -2048), (0.5, -500))
SHAPE, SPACING = (48, 40), (0.5, 1.0)


def truth(height):
    rows, columns = np.indices(SHAPE)
    places = np.stack([-10 + columns * SPACING[1], -12 + rows * SPACING[0], np.full(SHAPE, height)], axis=-1)
    return hu_at(places)


def sequence(**attributes):
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return [item]


def write(path, shared_rescale=False, **attributes):
    """Frames out of order, each with a rescaling of its own."""
    path = write_enhanced(path, HEIGHTS)
    dataset = pydicom.dcmread(path)
    dataset.Rows, dataset.Columns = SHAPE
    dataset.PixelRepresentation = 0
    del dataset.RescaleSlope, dataset.RescaleIntercept
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].PixelSpacing = list(SPACING)
    stored = []
    for frame, height, (slope, intercept) in zip(
        dataset.PerFrameFunctionalGroupsSequence, HEIGHTS, RESCALES, strict=True
    ):
        frame.PlanePositionSequence[0].ImagePositionPatient = [-10, -12, height]
        if shared_rescale:
            slope, intercept = RESCALES[0]
        else:
            frame.PixelValueTransformationSequence = sequence(
                RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU"
            )
        stored.append(np.round((truth(height) - intercept) / slope).astype(np.uint16))
    if shared_rescale:
        shared.PixelValueTransformationSequence = sequence(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
    dataset.PixelData = np.stack(stored).tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("shared_rescale", [False, True])
def test_a_file_is_a_volume(tmp_path, shared_rescale):
    path = write(tmp_path / "a.dcm", shared_rescale)
    volume = load_head_ct(path)
    expected = np.stack([truth(height) for height in sorted(HEIGHTS)], axis=-1)
    np.testing.assert_allclose(volume[0], expected, atol=1.01)
    assert volume.meta["sop_instance_uids"] == [uid_of("a")] * 4
    assert volume.meta["frames"] == [2, 4, 1, 3]
    assert volume.meta["filename_or_obj"] == str(path)
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 0, 5])
    np.testing.assert_allclose(volume.affine[:3, 3], [10, 12, 0])


def test_frames_as_they_were_found(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm")
    (series,) = group_series(list(scan([path])))
    assert [image.frame for image in series.images] == [1, 3, 0, 2]
    opened = []
    read = dicom.read_dataset
    monkeypatch.setattr(dicom, "read_dataset", lambda file, place: opened.append(file) or read(file, place))
    volume = load_head_ct(series.images)
    assert len(opened) == 1  # for all frames
    assert np.array_equal(volume, load_head_ct(path))
    upper = load_head_ct(series.images[2:])
    assert np.array_equal(upper, volume[..., 2:])
    assert upper.meta["frames"] == [1, 3]
    one = load_head_ct(series.images[1])
    assert np.array_equal(one, volume[..., 1])
    assert one.meta["frames"] == [4]
    assert one.shape == (1, *SHAPE)


def test_compressed_frames(tmp_path):
    path = write(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    expected = load_head_ct(path)
    dataset.PixelData = encapsulate([jpeg2000(frame) for frame in dataset.pixel_array])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    assert np.array_equal(load_head_ct(path), expected)
    assert np.array_equal(load_head_ct([ImageSource(str(path), frame=n) for n in (2, 0)]), expected[..., 2:])


def test_frames_of_two_files_interleave(tmp_path):
    whole = load_head_ct(write(tmp_path / "a.dcm"))
    sources = [ImageSource(str(tmp_path / "a.dcm"), frame=n) for n in (1, 2)]
    other = write(tmp_path / "b.dcm")
    sources[1:1] = [ImageSource(str(other), frame=n) for n in (3, 0)]
    volume = load_head_ct(sources)
    assert np.array_equal(volume, whole)
    assert volume.meta["sop_instance_uids"] == [uid_of(name) for name in "abba"]


def test_rescaling_at_the_top_of_the_header_counts_where_there_is_no_other(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", (0, 5, 10))
    expected = load_head_ct(write_slice(tmp_path / "b.dcm", shape=(48, 48), spacing=(3.0, 3.0)))
    assert np.array_equal(load_head_ct(path)[..., 0], expected)


def test_frames_of_another_orientation_are_left_out(tmp_path, caplog):
    path = write(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = sequence(
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1]
    )
    dataset.save_as(path)
    assert load_head_ct(path).meta["frames"] == [2, 4, 1]
    assert "1 images of another geometry" in caplog.text


def damaged(path, change):
    dataset = pydicom.dcmread(write(path))
    change(dataset)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda d: setattr(d, "NumberOfFrames", 5), Code.UNREADABLE, "frames and describes 4 of them"),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), Code.UNREADABLE, "4 frames and describes 3 of them"),
        (lambda d: setattr(d, "NumberOfFrames", -1), Code.UNREADABLE, "NumberOfFrames is -1"),
        (lambda d: setattr(d, "NumberOfFrames", 60000), Code.TOO_LARGE, "60000 slices; at most 20000"),
        (lambda d: setattr(d, "NumberOfFrames", 2**31 - 1), Code.TOO_LARGE, "slices of 48 x 40"),
        (lambda d: setattr(d, "Rows", 65535), Code.TOO_LARGE, "4 slices of 65535 x 40"),
        (
            lambda d: d.PerFrameFunctionalGroupsSequence[1].pop("PlanePositionSequence"),
            Code.BAD_GEOMETRY,
            "lacks one of ImagePositionPatient",
        ),
        (
            lambda d: setattr(d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "PixelSpacing", [0, 1]),
            Code.BAD_GEOMETRY,
            "a damaged PixelSpacing",
        ),
        (
            lambda d: [frame.pop("PixelValueTransformationSequence") for frame in d.PerFrameFunctionalGroupsSequence],
            Code.NOT_HU,
            "RescaleIntercept is missing",
        ),
    ],
)
def test_damage(tmp_path, change, code, message):
    with pytest.raises(HeadCTReadError, match=message) as info:
        load_head_ct(damaged(tmp_path / "a.dcm", change))
    assert info.value.code is code


@pytest.mark.parametrize(
    "change",
    [
        lambda d: setattr(d, "NumberOfFrames", 5),
        lambda d: setattr(d, "NumberOfFrames", 2**31 - 1),
        lambda d: d.PerFrameFunctionalGroupsSequence.pop(),
        lambda d: d.pop("PerFrameFunctionalGroupsSequence"),
        lambda d: setattr(d, "Rows", 65535),
        lambda d: setattr(d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "PixelSpacing", [0, 1]),
        # A second and third digit of direction cosines lost: 0.5 % too short.
        lambda d: setattr(
            d.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0],
            "ImageOrientationPatient",
            [0.98, 0.17, 0, -0.17, 0.98, 0],
        ),
    ],
)
def test_header_and_pixels_are_refused_with_one_code(tmp_path, change):
    path = damaged(tmp_path / "a.dcm", change)
    (rejection, *_) = codes_of_headers(path)[1]
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert rejection is info.value.code


def codes_of_headers(path):
    found = list(scan([path], workers=1))
    rejected = [one.finding.code for one in found if isinstance(one, Rejection)]
    headers = [one for one in found if isinstance(one, ImageHeader)]
    return headers, rejected or [finding.code for one in group_series(headers) for finding in one.findings]


def test_a_place_at_the_top_is_none_of_a_frame(tmp_path):
    path = damaged(
        tmp_path / "a.dcm",
        lambda d: (
            d.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence"),
            setattr(d, "PixelSpacing", list(SPACING)),
        ),
    )
    headers, codes = codes_of_headers(path)
    assert [one.spacing for one in headers] == [None] * 4
    assert Code.BAD_GEOMETRY in codes
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert info.value.code is Code.BAD_GEOMETRY


def test_multi_frame_without_functional_groups_has_no_geometry(tmp_path):
    path = write_slice(tmp_path / "a.dcm", NumberOfFrames=2, PixelData=bytes(32 * 24 * 4))
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert info.value.code is Code.BAD_GEOMETRY
    path = write_slice(
        tmp_path / "b.dcm", NumberOfFrames=2, PixelData=bytes(32 * 24 * 4), ImageOrientationPatient=list(SUPINE)
    )
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert info.value.code is Code.BAD_GEOMETRY


def test_a_frame_that_is_not_there(tmp_path):
    path = write(tmp_path / "a.dcm")
    with pytest.raises(HeadCTReadError, match="has 4 frames, and not number 5"):
        load_head_ct(ImageSource(str(path), frame=4))
