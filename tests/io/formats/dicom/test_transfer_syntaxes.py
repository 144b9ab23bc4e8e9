"""Compressed pixels: decoded exactly, or refused before they can do harm."""

import io
import re

import gdcm
import numpy as np
import pydicom
import pytest
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
from ichmonai.io.formats.dicom.pixels.codestream import check_codestream
from ichmonai.io.formats.dicom.pixels.rle import check_rle
from tests.io.dicom_factory import write_slice

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


def test_a_missing_transfer_syntax_is_that_of_the_header(tmp_path):
    path = write_slice(tmp_path / "b.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.file_meta.TransferSyntaxUID
    whole = load_head_ct(path)
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    assert np.array_equal(load_head_ct(path), whole)


def test_missing_frame(tmp_path):
    frame = jpeg2000((HU + 1024).astype(np.uint16))
    path = compressed(tmp_path / "a.dcm", [frame, frame], JPEG2000Lossless, NumberOfFrames=3)
    assert refusal(path).code is Code.UNDECODABLE


def rle_frame(path):
    dataset = pydicom.dcmread(write_slice(path, hu=HU))
    dataset.compress(RLELossless)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def with_byte(frame, at, value):
    return frame[:at] + bytes([value]) + frame[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda frame: with_byte(frame, 0, 3), "3 segments of RLE, not 2"),
        (lambda frame: with_byte(frame, 10, 1), "in no order"),
        (lambda frame: with_byte(frame, 40, 1), "header of RLE is damaged"),
        (lambda frame: with_byte(frame, 64, 120), "RLE"),  # the first run is longer than a row
        (lambda frame: frame[:-10], "too short"),
        (lambda frame: frame + b"\x01\x05\x05", "longer than 32 x 24"),
        (lambda frame: frame[:40], "in no order|damaged"),
    ],
)
def test_damaged_lengths_of_rle_are_refused(tmp_path, damage, message):
    frame = rle_frame(tmp_path / "whole.dcm")
    check_rle(frame + b"\0\0", 32, 24, 16)
    error = refusal(compressed(tmp_path / "a.dcm", [damage(frame)], RLELossless))
    assert error.code is Code.UNDECODABLE
    assert re.search(message, str(error))
    assert "install" not in str(error)


def test_rows_of_rle_end_where_runs_end(tmp_path):
    run = bytes([257 - 24, 7])
    plane = run * 32
    header = b"".join(number.to_bytes(4, "little") for number in (1, 64, *[0] * 14))
    check_rle(header + plane, 32, 24, 8)
    shifted = run * 10 + bytes([257 - 25, 7, 257 - 23, 7]) + run * 20
    with pytest.raises(ValueError, match="row 11 of RLE"):
        check_rle(header + shifted, 32, 24, 8)


def test_what_the_decoder_of_lossless_jpeg_says_refuses(tmp_path, capfd):
    frame = gdcm_frame(tmp_path, "JPEGLosslessProcess14_1")
    path = compressed(tmp_path / "a.dcm", [frame], JPEGLosslessSV1)
    assert np.array_equal(load_head_ct(path)[0], HU)
    start = frame.index(b"\xff\xda")
    short = frame[: start + 300] + frame[start + 340 :]
    error = refusal(compressed(tmp_path / "b.dcm", [short], JPEGLosslessSV1))
    assert error.code is Code.UNDECODABLE
    assert "the decoder says: Corrupt JPEG data" in str(error)
    assert capfd.readouterr().err == ""


def gdcm_frame(folder, syntax):
    """GDCM is the only encoder of lossless JPEG and JPEG-LS that is installed."""
    source = str(write_slice(folder / "source.dcm", hu=HU))
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(source)
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(folder / "compressed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return next(generate_frames(pydicom.dcmread(folder / "compressed.dcm").PixelData, number_of_frames=1))


def test_damaged_jpeg_ls_is_not_said_to_lack_a_decoder(tmp_path):
    frame = gdcm_frame(tmp_path, "JPEGLSLossless")
    damaged = with_byte(frame, len(frame) // 2, frame[len(frame) // 2] ^ 0x55)
    error = refusal(compressed(tmp_path / "a.dcm", [damaged], JPEGLSLossless))
    assert "copy the file or send it again" in str(error)
    assert "install" not in str(error)


@pytest.mark.parametrize("syntax", [HTJ2KLossless, "1.2.3.4.5"])
def test_what_no_decoder_is_installed_for_says_so(tmp_path, syntax):
    frame = jpeg2000((HU + 1024).astype(np.uint16))
    error = refusal(compressed(tmp_path / "a.dcm", [frame], syntax))
    assert "install what decodes" in str(error)


@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_tile_parts_lead_to_the_end(tmp_path, change):
    frame = jpeg2000((HU + 1024).astype(np.uint16))
    at = frame.index(b"\xff\x90") + 6
    length = int.from_bytes(frame[at : at + 4], "big") + change
    damaged = frame[:at] + length.to_bytes(4, "big") + frame[at + 4 :]
    error = refusal(compressed(tmp_path / "a.dcm", [damaged], JPEG2000Lossless, storage=(16, 0, 1, -1024)))
    assert "tile-parts" in str(error)


def test_a_table_of_offsets_agrees_with_the_fragments(tmp_path):
    frames = [jpeg2000((HU + 1024).astype(np.uint16))] * 2
    for frames_said, at, message in ((2, 12, "does not agree"), (3, 0, "does not name 3 frames")):
        path = compressed(tmp_path / "a.dcm", frames, JPEG2000Lossless, NumberOfFrames=frames_said)
        dataset = pydicom.dcmread(path)
        pixels = dataset.PixelData
        dataset.PixelData = with_byte(pixels, at, pixels[at] ^ (2 if at else 0))
        dataset.save_as(path)
        assert message in str(refusal(path))


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
