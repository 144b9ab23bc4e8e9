import itertools
import logging

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.io.geometry import Geometry
from tests.io.dicom_factory import PRONE, SUPINE, hu_at, uid_of, write_series, write_slice

TILT = np.deg2rad(18.5)
TILTED = (1, 0, 0, 0, np.cos(TILT), -np.sin(TILT))


def assert_every_voxel_is_in_its_place(volume, atol=0.51):
    index = np.moveaxis(np.indices(volume.shape[1:]), 0, -1)
    affine = volume.affine.numpy()
    lps = (index @ affine[:3, :3].T + affine[:3, 3]) * [-1, -1, 1]
    np.testing.assert_allclose(volume[0].numpy(), np.maximum(hu_at(lps), -1024), atol=atol)
    assert nib.aff2axcodes(affine) == ("P", "L", "S")


@pytest.mark.parametrize(
    "orientation",
    [SUPINE, PRONE, (-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), (0, 1, 0, 1, 0, 0), (0, -1, 0, 1, 0, 0), TILTED],
    ids=["supine", "prone", "left-right", "upside-down", "transposed", "turned", "tilted"],
)
@pytest.mark.parametrize("heights", [(0, 5, 10, 15), (15, 10, 5, 0)], ids=["ascending", "descending"])
def test_series_of_any_orientation(tmp_path, orientation, heights):
    write_series(tmp_path, heights, orientation=orientation)
    volume = load_head_ct(tmp_path)
    assert volume.shape == ((1, 24, 32, 4) if orientation[0] == 0 else (1, 32, 24, 4))
    assert_every_voxel_is_in_its_place(volume)
    files = [pydicom.dcmread(path) for path in tmp_path.iterdir()]
    files.sort(key=lambda file: file.ImagePositionPatient[2])
    assert volume.meta["sop_instance_uids"] == [file.SOPInstanceUID for file in files]
    beside = Geometry.of(volume).in_original_axes(np.moveaxis(volume.numpy()[0], -1, 0))
    for index, file in enumerate(files):
        np.testing.assert_array_equal(beside[..., index].T, np.maximum(file.pixel_array - 1024.0, -1024))
    assert list(volume.meta["spatial_shape"]) == [24, 32, 4]
    along_columns = volume.meta["original_affine"].numpy()[:3, 0]  # 1 mm apart
    np.testing.assert_allclose(along_columns * [-1, -1, 1], orientation[:3], atol=1e-6)


def test_one_slice_is_a_volume_and_a_file_is_a_slice(tmp_path):
    path = write_slice(tmp_path / "one.dcm", orientation=PRONE)
    volume, image = load_head_ct(tmp_path), load_head_ct(path)
    assert volume.shape == (1, 32, 24, 1)
    assert image.shape == (1, 32, 24)
    assert_every_voxel_is_in_its_place(volume)
    assert np.array_equal(volume[..., 0], image)
    assert np.linalg.norm(volume.affine[:3, 2]) == pytest.approx(5)  # SliceThickness
    assert image.meta["sop_instance_uids"] == [uid_of("one")]


def test_file_without_geometry_is_taken_as_it_stands(tmp_path):
    missing = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    image = load_head_ct(write_slice(tmp_path / "bare", hu=np.arange(64.0).reshape(8, 8), **missing))
    assert np.array_equal(image[0], np.arange(64.0).reshape(8, 8))
    with pytest.raises(HeadCTReadError, match=r"bare lacks one of ImagePositionPatient.*cannot be placed"):
        load_head_ct(tmp_path)


@pytest.mark.parametrize("storage", [(12, 0, 1, -1024), (16, 1, 1, 0), (16, 1, 1, -1024), (16, 0, 0.5, -2000)])
def test_stored_values_become_hu(tmp_path, storage):
    hu = np.array([[-1024, -1000, 0, 40], [80, 300, 1500, 3000]])
    image = load_head_ct(write_slice(tmp_path / "a", storage=storage, hu=hu))
    assert np.array_equal(image[0], hu)


def test_missing_rescale(tmp_path):
    hu = np.array([[-1000, 0], [40, 80]])
    without_slope = write_slice(tmp_path / "a", hu=hu, RescaleSlope=None)
    signed = write_slice(tmp_path / "b", hu=hu, storage=(16, 1, 1, 0), RescaleSlope=None, RescaleIntercept=None)
    assert np.array_equal(load_head_ct(without_slope)[0], hu)
    assert np.array_equal(load_head_ct(signed)[0], hu)
    unsigned = write_slice(tmp_path / "c", hu=hu, storage=(12, 0, 1, -1024), RescaleIntercept=None)
    with pytest.raises(HeadCTReadError, match="unsigned and RescaleIntercept is missing"):
        load_head_ct(unsigned)
    with pytest.raises(HeadCTReadError, match="RescaleSlope is 0"):
        load_head_ct(write_slice(tmp_path / "d", RescaleSlope="0"))


@pytest.mark.parametrize(
    ("storage", "value", "padding"),
    [
        ((16, 1, 1, -1024), -2000, {"PixelPaddingValue": -2000}),
        ((16, 1, 1, 0), -32768, {}),  # below air without being declared
        ((16, 0, 1, -1024), 63536, {"PixelPaddingValue": 63536}),  # high: would be the densest bone
        ((16, 0, 1, -1024), 60005, {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 60010}),
    ],
)
def test_padding_is_air(tmp_path, storage, value, padding):
    hu = np.array([[value * storage[2] + storage[3], 40], [80, 1500]])
    image = load_head_ct(write_slice(tmp_path / "a", hu=hu, storage=storage, **padding))
    assert image[0].tolist() == [[-1024, 40], [80, 1500]]


def test_other_geometry_and_copies_are_left_out_and_logged(tmp_path, caplog):
    paths = write_series(tmp_path, (0, 5, 10))
    (tmp_path / "copy.dcm").write_bytes(paths[1].read_bytes())
    write_slice(tmp_path / "localizer.dcm", orientation=(1, 0, 0, 0, 0, -1))
    write_slice(tmp_path / "jitter.dcm", (-10, -12, 15), orientation=(1, 0.0004, 0, -0.0004, 1, 0))
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "._a.dcm").write_bytes(b"AppleDouble")
    with caplog.at_level(logging.WARNING):
        volume = load_head_ct(tmp_path)
    assert volume.shape[-1] == 4
    assert [code for code, _ in volume.meta["findings"]] == ["duplicates"]
    assert "1 images of another geometry" in caplog.text


def test_two_images_at_one_place_are_both_kept_in_an_order_of_their_own(tmp_path):
    orders = []
    for names in (("a", "b"), ("b", "a")):
        folder = tmp_path / "".join(names)
        for n, name in enumerate(names):
            write_slice(folder / f"{n}.dcm", SOPInstanceUID=uid_of(name))
        write_slice(folder / "above.dcm", (-10, -12, 5))
        orders.append(load_head_ct(folder).meta["sop_instance_uids"])
    assert len(orders[0]) == 3
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": "MR"}, "has Modality MR, not CT"),
        ({"Modality": None, "SOPClassUID": SecondaryCaptureImageStorage}, "has Modality missing, not CT"),
        (
            {
                "SamplesPerPixel": 3,
                "PhotometricInterpretation": "RGB",
                "PixelData": bytes(32 * 24 * 6),
                "PlanarConfiguration": 0,
            },
            "a colour image",
        ),
        ({"PixelData": None}, "pixels of .* cannot be decoded"),
        ({"PixelData": bytes(100)}, "pixels of .* cannot be decoded"),
        ({"Rows": None}, "pixels of .* cannot be decoded"),
        ({"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]}, "a damaged ImageOrientationPatient"),
        ({"PixelSpacing": ["0", "1"]}, "a damaged PixelSpacing"),
        ({"SOPInstanceUID": None, "file_meta": None}, "lacks SOPInstanceUID"),
    ],
)
def test_unusable_image_is_refused(tmp_path, attributes, message):
    attributes = {name: value for name, value in attributes.items() if name != "file_meta"}
    if "SOPInstanceUID" in attributes:
        path = write_slice(tmp_path / "image.dcm")
        dataset = pydicom.dcmread(path)
        del dataset.SOPInstanceUID
        dataset.save_as(path)
    else:
        path = write_slice(tmp_path / "image.dcm", **attributes)
    with pytest.raises(HeadCTReadError, match=message):
        load_head_ct(path)


def test_one_uid_for_all_slices_loses_none(tmp_path):
    write_series(tmp_path, (0, 5, 10), SOPInstanceUID=uid_of("always"))
    assert load_head_ct(tmp_path).shape[-1] == 3


def test_pixels_of_more_rows_than_are_said_are_refused(tmp_path):
    pixels = bytes(32 * 24 * 2)
    assert load_head_ct(write_slice(tmp_path / "padded.dcm", PixelData=pixels + bytes(46))).shape[1:] == (32, 24)
    for name, size in {"Rows": 31, "Columns": 23}.items():
        with pytest.raises(HeadCTReadError, match="more than Rows and Columns say") as caught:
            load_head_ct(write_slice(tmp_path / f"{name}.dcm", PixelData=pixels, **{name: size}))
        assert caught.value.code is Code.UNDECODABLE


def test_unusable_series_is_refused(tmp_path):
    write_slice(tmp_path / "two" / "a.dcm")
    write_slice(tmp_path / "two" / "b.dcm", SeriesInstanceUID=uid_of("other"))
    with pytest.raises(HeadCTReadError, match="holds 2 series"):
        load_head_ct(tmp_path / "two")
    write_slice(tmp_path / "coronal" / "a.dcm", orientation=(1, 0, 0, 0, 0, -1))
    with pytest.raises(HeadCTReadError, match="not axial"):
        load_head_ct(tmp_path / "coronal")
    write_series(tmp_path / "flat", (0, 0, 0))
    with pytest.raises(HeadCTReadError, match="same ImagePositionPatient"):
        load_head_ct(tmp_path / "flat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HeadCTReadError, match="holds no DICOM files"):
        load_head_ct(tmp_path / "empty")


def test_damaged_file_refuses_the_series_instead_of_leaving_a_gap(tmp_path):
    paths = write_series(tmp_path, (0, 5, 10))
    paths[1].write_bytes(b"")
    with pytest.raises(HeadCTReadError, match=paths[1].name):
        load_head_ct(tmp_path)


@pytest.mark.filterwarnings("ignore")  # pydicom on damaged values
def test_damage_anywhere_is_one_sentence_or_harmless(tmp_path):
    whole = write_slice(tmp_path / "whole.dcm").read_bytes()
    image = load_head_ct(tmp_path / "whole.dcm")
    broken = tmp_path / "broken.dcm"
    rng = np.random.default_rng(0)
    header = len(whole) - 32 * 24 * 2
    for size in (0, 1, 131, 132, *range(140, header, 23), header, len(whole) - 1):
        broken.write_bytes(whole[:size])
        with pytest.raises(HeadCTReadError) as info:
            load_head_ct(broken)
        assert "broken.dcm" in str(info.value)
        assert "\n" not in str(info.value)
    refusals = []
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(header, size=8):
            damaged[place] = rng.integers(256)
        broken.write_bytes(damaged)
        try:
            assert load_head_ct(broken).dtype == image.dtype
        except HeadCTReadError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert not [text for text in refusals if "\n" in text]


@pytest.mark.data
def test_tilted_ge_series(real_data):
    folder = real_data / "dicom" / "ge_tilted_head"
    volume = load_head_ct(folder)
    assert volume.shape == (1, 512, 512, 28)
    files = [pydicom.dcmread(folder / f"{n:02d}.dcm", stop_before_pixels=True) for n in range(1, 29)]
    heights = [float(file.ImagePositionPatient[2]) for file in files]
    assert sorted({round(b - a, 2) for a, b in itertools.pairwise(heights)}) == [1.14, 4.22, 7.38]
    assert volume.meta["sop_instance_uids"] == [file.SOPInstanceUID for file in files]
    affine = volume.affine.numpy()
    assert nib.aff2axcodes(affine) == ("P", "L", "S")
    np.testing.assert_allclose(affine[:3, 3] * [-1, -1, 1], files[0].ImagePositionPatient, atol=1e-3)
    np.testing.assert_allclose((affine @ [0, 0, 27, 1])[:3] * [-1, -1, 1], files[-1].ImagePositionPatient, atol=1e-3)
    down, step = affine[:3, 0], affine[:3, 2]  # rows run to posterior and, with the tilt, to inferior
    assert np.rad2deg(np.arcsin(-down[2] / np.linalg.norm(down))) == pytest.approx(18.5, abs=0.05)
    np.testing.assert_allclose(step, [0, 0, (heights[-1] - heights[0]) / 27], atol=1e-3)
    assert volume.min() == -1024
    assert 20 < volume[0, 256, 200, 14] < 60  # brain


@pytest.mark.parametrize("thickness", ["1e300", "-5"])
def test_an_absurd_thickness_is_not_believed(tmp_path, thickness):
    image = load_head_ct(write_slice(tmp_path / "a.dcm", SliceThickness=thickness))
    assert image.affine[2, 2] == 1


@pytest.mark.parametrize("tag", [b"\x28\0\x53\x10", b"\x28\0\x52\x10", b"\x18\0\x50\0"])
def test_a_value_of_no_known_kind_is_a_damaged_header(tmp_path, tag):
    path = write_slice(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(tag + b"DS", tag + b"ZZ"))
    with pytest.raises(HeadCTReadError):
        load_head_ct(path)
