"""Codes of a sequential JPEG image are followed to its last bit."""

import io

import numpy as np
import pytest
from PIL import Image

from ichmonai.io import Code, HeadCTReadError, load_head_ct
from ichmonai.io.jpeg_scans import check_scans

GREY = np.random.default_rng(0).integers(0, 255, (61, 83), np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 255, (61, 83, 3), np.uint8)


def jpeg(pixels=GREY, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"restart_marker_blocks": 7}, {"restart_marker_rows": 1}, {"progressive": True}]
)
def test_whole_images_pass(subsampling, options):
    check_scans(jpeg(**options))
    check_scans(jpeg(COLOUR, subsampling=subsampling, **options) + b"appended")


@pytest.mark.parametrize("cut", [3, 10, 1000])
def test_missing_bytes(cut):
    frame = jpeg()
    for start in (-2, -500):
        with pytest.raises(ValueError, match="JPEG"):
            check_scans(frame[: start - cut] + frame[start:])


def test_bytes_too_many():
    frame = jpeg()
    with pytest.raises(ValueError, match="goes on behind its last pixel"):
        check_scans(frame[:-2] + b"\x12\x34" + frame[-2:])


def test_restart_markers_out_of_order():
    frame = jpeg(restart_marker_blocks=7)
    with pytest.raises(ValueError, match="in no order"):
        check_scans(frame.replace(b"\xff\xd1", b"\xff\xd2", 1))
    start = frame.index(b"\xff\xd7")
    with pytest.raises(ValueError, match="restart intervals"):
        check_scans(frame[:start] + frame[-2:])


def test_most_changed_bytes_are_seen():
    frame = jpeg()
    start = frame.index(b"\xff\xda") + 10
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(100):
        damaged = bytearray(frame)
        damaged[int(rng.integers(start, len(frame) - 2))] ^= int(rng.integers(1, 256))
        try:
            check_scans(bytes(damaged))
        except ValueError:
            seen += 1
    assert seen >= 50


def test_a_damaged_picture_is_refused(tmp_path):
    frame = jpeg()
    path = tmp_path / "slice.jpg"
    path.write_bytes(frame[:-900] + frame[-700:])
    with pytest.raises(HeadCTReadError, match=r"slice\.jpg cannot be decoded \(.*JPEG") as caught:
        load_head_ct(path)
    assert caught.value.code is Code.UNDECODABLE


def test_no_changed_byte_of_a_png_is_taken(tmp_path):
    path = tmp_path / "slice.png"
    Image.fromarray(GREY[:12, :12]).save(path)
    whole, data = load_head_ct(path), path.read_bytes()
    for at in range(len(data) - 12):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        try:
            assert (load_head_ct(path) == whole).all()
        except HeadCTReadError:
            continue
