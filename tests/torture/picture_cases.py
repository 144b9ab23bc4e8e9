"""8-bit slice images."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from tests.torture.cases import ANYTHING, DAMAGED, PICTURE, PREDICTED, Inputs
from tests.torture.dicom_files import MIDDLE, phantom


def write_picture_cases(inputs: Inputs) -> None:
    """All of them."""
    grey = Image.fromarray((np.clip(phantom().hu[..., MIDDLE] / 80, 0, 1) * 255).astype(np.uint8)).resize((192, 192))
    for mode in ("L", "RGB", "RGBA", "LA", "P", "1"):
        expected, shows = ({"not_hu"}, "") if mode == "1" else ({PREDICTED}, "" if mode == "P" else PICTURE)
        inputs.file("pictures", f"{mode}.png", _encoded(grey.convert(mode), "PNG"), expected, shows=shows)
    for suffix in ("jpg", "jpeg", "bmp", "png"):
        kind = {"jpg": "JPEG"}.get(suffix, suffix.upper())
        inputs.file("pictures", f"whole.{suffix}", _encoded(grey, kind), PREDICTED)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    inputs.file("pictures", "sixteen_bits.png", _encoded(deep, "PNG"), "unreadable")
    inputs.file("pictures", "cmyk.jpg", _encoded(grey.convert("CMYK"), "JPEG"), "unreadable")
    for side in (1, 2, 3, 7):
        inputs.file("pictures", f"side_{side}.png", _encoded(grey.resize((side, side)), "PNG"), "bad_geometry")
    inputs.file("pictures", "line.png", _encoded(grey.resize((192, 1)), "PNG"), "bad_geometry")
    for value in (0, 40, 255):
        inputs.file("pictures", f"flat_{value}.png", _encoded(Image.new("L", (192, 192), value), "PNG"), "not_head")
    more = {"save_all": True, "append_images": [grey.rotate(20), grey.rotate(40)]}
    inputs.file("pictures", "animated.png", _encoded(grey, "PNG", **more), PREDICTED, shows=PICTURE)
    inputs.file("pictures", "gif.png", _encoded(grey, "GIF"), "unreadable")
    inputs.file("pictures", "webp.jpg", _encoded(grey, "WEBP"), "unreadable")
    inputs.file("pictures", "tiff.bmp", _encoded(grey, "TIFF"), "unreadable")
    inputs.file("pictures", "png.jpg", _encoded(grey, "PNG"), PREDICTED, shows=PICTURE)
    inputs.file("pictures", "text.png", b"this is text", "unreadable")
    inputs.file("pictures", "postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unreadable")
    for side in (3000, 20_000, 60_000, 2**31 - 1):
        inputs.file("pictures", f"bomb_{side}.png", _png(side, side, bytes(2**20)), "too_large")
    inputs.file("pictures", "no_size.png", _png(0, 0, b""), "unreadable")
    inputs.file("pictures", "less_than_said.png", _png(192, 192, bytes(1000)), "undecodable")
    inputs.file("pictures", "text_bomb.png", _png(192, 192, bytes(193 * 192), text=bytes(2**27)), DAMAGED)
    for suffix, kind in (("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP")):
        whole = _encoded(grey, kind)
        for length in (0, 1, 10, 30, *inputs.lengths(whole, 5, 60)):
            inputs.file("pictures", f"cut_{length}.{suffix}", whole[:length], DAMAGED)
        for number in range(12):
            damaged = inputs.flipped(whole, 1 + number, 0, 200 if number % 2 else None)
            expected = DAMAGED | {PREDICTED} if suffix == "png" else ANYTHING  # the others have no checksum
            shows = PICTURE if suffix == "png" else ""
            inputs.file("pictures", f"bits_{number}.{suffix}", damaged, expected, shows=shows)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png(width: int, height: int, pixels: bytes, text: bytes = b"") -> bytes:
    """A grey PNG that says what it is told to."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    notes = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text)) if text else b""
    body = notes + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body
