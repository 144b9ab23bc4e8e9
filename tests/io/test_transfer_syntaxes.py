"""Compressed pixels: decoded exactly, or refused before they can do harm."""

import io

import numpy as np
import pydicom
import pytest
from dicom_factory import write_slice
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.io.readers.codestream import check_codestream

HU = np.random.default_rng(0).integers(-1024, 2000, (32, 24))
LOSSLESS = ["RLE", "JPLL", "JLSL", "J2KR"]
# Largest, mean and root mean square difference in HU where brain and blood are (0..80 HU).
LOSSY = {"JLSN": (4, 0.1, 3), "J2KI": (200, 1, 20)}


def compressed(path, frames, syntax, **attributes):
    dataset = pydicom.dcmread(write_slice(path, hu=HU, **attributes))
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    return path


def refusal(path):
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert path.name in str(info.value)
    return info.value


def jpeg2000(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    return stream.getvalue()


def jpeg(marker=0xC3, rows=32, columns=24, precision=16, components=1, end=b"\xff\xd9"):
    shape = bytes([precision, *rows.to_bytes(2, "big"), *columns.to_bytes(2, "big"), components, 1, 0x11, 0])
    frame_header = bytes([0xFF, marker]) + (len(shape) + 2).to_bytes(2, "big") + shape
    return b"\xff\xd8" + frame_header + b"\xff\xff\xfe\x00\x04hi" + b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00" + end


def test_rle(tmp_path):
    path = write_slice(tmp_path / "a.dcm", hu=HU)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    assert np.array_equal(load_head_ct(path)[0], HU)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert refusal(compressed(tmp_path / "cut.dcm", [frame[:-200]], RLELossless)).code is Code.UNDECODABLE


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000(tmp_path, bits):
    frame = jpeg2000((HU + 1024).astype(np.uint16))
    path = compressed(tmp_path / "a.dcm", [frame], JPEG2000Lossless, storage=(bits, 0, 1, -1024))
    assert np.array_equal(load_head_ct(path)[0], HU)


def test_baseline_jpeg_within_a_few_grey_values(tmp_path):
    grey = np.clip(HU, 0, 255).astype(np.uint8) // 32 * 32
    grey = np.kron(grey[::8, ::8], np.ones((8, 8), np.uint8))
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=95)
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    path = compressed(tmp_path / "a.dcm", [stream.getvalue()], JPEGBaseline8Bit, storage=(8, 0, 1, 0), **eight)
    np.testing.assert_allclose(load_head_ct(path)[0], grey, atol=3)


@pytest.mark.parametrize("cut", [2, 40, 400])
def test_a_truncated_frame_is_not_filled_up(tmp_path, cut):
    frame = jpeg2000((HU + 1024).astype(np.uint16))[:-cut]
    error = refusal(compressed(tmp_path / "a.dcm", [frame], JPEG2000Lossless, storage=(16, 0, 1, -1024)))
    assert error.code is Code.UNDECODABLE
    assert "cut off" in str(error)


def test_a_frame_larger_than_its_header_says_is_not_decoded(tmp_path):
    bomb = jpeg2000(np.zeros((2000, 2000), np.uint16))
    error = refusal(compressed(tmp_path / "a.dcm", [bomb], JPEG2000Lossless))
    assert error.code is Code.UNDECODABLE
    assert "2000 x 2000 x 1, not 32 x 24 x 1" in str(error)


def test_whole_streams_pass():
    check_codestream(jpeg(), 32, 24)
    check_codestream(jpeg(0xF7, end=b"\xff\xd9\x00"), 32, 24)
    check_codestream(jpeg(0xC0, precision=8), 32, 24)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"", "no beginning"),
        (bytes(100), "no beginning"),
        (jpeg(end=b""), "cut off"),
        (jpeg(end=b"\xff\xd9" + bytes(100)), "cut off"),
        (jpeg(rows=65535, columns=65535), "65535 x 65535 x 1, not 32 x 24 x 1"),
        (jpeg(components=3), "32 x 24 x 3"),
        (jpeg(precision=251), "damaged header"),
        (jpeg(0xC5), "damaged header"),
        (jpeg()[:15] + b"\x00" + jpeg()[16:], "damaged header"),  # a marker that is none
        (b"\xff\xd8\xff\xd9", "damaged header"),
        (b"\xff\x4f\xff\x51", "0 x 0 x 0"),
    ],
)
def test_damaged_streams_are_refused_before_they_are_decoded(frame, message):
    with pytest.raises(ValueError, match=message):
        check_codestream(frame, 32, 24)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, JPEGBaseline8Bit, HTJ2KLossless])
def test_pixels_of_another_kind_are_refused(tmp_path, syntax):
    error = refusal(compressed(tmp_path / "a.dcm", [b"no pixels at all"], syntax))
    assert error.code is Code.UNDECODABLE


def test_unknown_and_missing_transfer_syntax(tmp_path):
    assert refusal(compressed(tmp_path / "a.dcm", [jpeg()], "1.2.3.4.5")).code is Code.UNDECODABLE
    path = write_slice(tmp_path / "b.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.file_meta.TransferSyntaxUID
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    assert refusal(path).code is Code.UNDECODABLE


def test_missing_frame(tmp_path):
    frame = jpeg2000((HU + 1024).astype(np.uint16))
    path = compressed(tmp_path / "a.dcm", [frame, frame], JPEG2000Lossless, NumberOfFrames=3)
    assert refusal(path).code is Code.UNDECODABLE


@pytest.mark.data
@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_real_slice_in_each_transfer_syntax(real_data, name):
    folder = real_data / "dicom" / "head_slice_transfer_syntaxes"
    expected = load_head_ct(folder / "CT2_UNC.dcm")[0].numpy()
    found = load_head_ct(folder / f"CT2_{name}.dcm")[0].numpy()
    if name in LOSSLESS:
        assert np.array_equal(found, expected)
        return
    difference = (found - expected)[(expected > 0) & (expected < 80)]
    largest, mean, spread = LOSSY[name]
    assert 0 < np.abs(difference).max() <= largest
    assert abs(difference.mean()) < mean
    assert np.sqrt(np.mean(difference**2)) < spread


@pytest.mark.data
@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_real_slice_cut_off(real_data, name, tmp_path):
    dataset = pydicom.dcmread(real_data / "dicom" / "head_slice_transfer_syntaxes" / f"CT2_{name}.dcm")
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    for share in (0.1, 0.9, 0.999):
        dataset.PixelData = encapsulate([frame[: int(share * len(frame))]])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(tmp_path / "cut.dcm")
        assert refusal(tmp_path / "cut.dcm").code is Code.UNDECODABLE
