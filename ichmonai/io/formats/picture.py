"""8-bit slice images, read back into HU."""

import io
import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ichmonai.errors import first_line
from ichmonai.io.files.bounded import BoundedReader
from ichmonai.io.files.opening import open_image
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.format import Format, Voxels
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.jpeg_scans import check_scans
from ichmonai.io.limits import check_size
from ichmonai.io.series import ImageSource

PILLOW_FORMATS = ("PNG", "JPEG", "BMP")
"""What Pillow may take them for: it knows others, and runs programs for some."""
_MODES = ("L", "P", "1", "RGB", "RGBA", "LA")
_PNG_END = b"IEND\xaeB`\x82"
"""Pillow is content with all rows, though the checksum behind them may be cut off."""
_TRAILER = 4096
"""Bytes in which it is looked for; some programs append their own."""
_TINT = 32
"""Difference of red or blue from green, of 255, that film, screens and JPEG leave in grey; tinted CT reaches 25."""
_COLOURED = 0.025
"""Share of coloured pixels from which a picture is no grey one with marks; 0.012 in the most marked of 200."""
_LOOKED_AT = 512
"""Pixels of the longer side that are looked at for colour."""


class Picture(Format):
    """PNG, JPEG and BMP: grey, or luma where they have colours; transparency is not looked at."""

    name = "PNG, JPEG, BMP"
    kind = Kind.PICTURE
    suffixes = (".png", ".jpg", ".jpeg", ".bmp")

    def read_headers(self, file: BinaryIO, source: ImageSource) -> list[ImageHeader]:
        """Read size and mode."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # too large is a finding
            with _open(BoundedReader(file, source), source) as image:
                width, height = image.size
                mode = image.mode
        name = str(source)
        return [ImageHeader(source, name, name, Kind.PICTURE, rows=height, columns=width, photometric=mode, bits=8)]

    def read(self, source: ImageSource, window: tuple[float, float]) -> Voxels:
        """Read a slice (H, W), with the finding `BURNED_IN` where more than marks and a tint is coloured.

        Raises:
            HeadCTReadError: `UNREADABLE` where it is no such image or not of 8 bits, `TOO_LARGE` (by the header, before
                anything is allocated), `UNDECODABLE` where its pixels are damaged or cut off.
        """
        with open_image(source) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            with _open(file, source) as image:
                check_size(str(source), image.height, image.width, 1)
                if image.mode not in _MODES:
                    raise HeadCTReadError(
                        f"{source} has pixel mode {image.mode}; give an 8-bit image, or the DICOM file of the slice."
                    )
                try:
                    pixels = np.asarray(image.convert("L"), dtype=np.float32)
                    coloured = _coloured(image)
                    file.seek(0)
                    data = file.read()
                    if image.format == "PNG" and _PNG_END not in data[-_TRAILER:]:
                        raise ValueError("it is cut off at its end")
                    if image.format == "PNG":
                        Image.open(io.BytesIO(data), formats=["PNG"]).verify()  # the checksum of each chunk
                    if image.format == "JPEG":  # libjpeg warns of damage, and Pillow keeps it to itself
                        check_scans(data)
                except Exception as error:
                    raise HeadCTReadError(
                        f"The pixels of {source} cannot be decoded ({first_line(error)}); copy it again.",
                        Code.UNDECODABLE,
                    ) from error
        level, width = window
        sentence = f"{source} has colours in {coloured:.0%} of its pixels; give a grey picture of CT, without overlays."
        findings = [Finding(Code.BURNED_IN, sentence)] if coloured > _COLOURED else []
        return Voxels(level - width / 2 + pixels * np.float32(width / 255), findings=findings)

    def read_series(self, sources: Sequence[ImageSource], window: tuple[float, float]) -> Voxels:
        """Read slices of one study into a volume (H, W, S), in the order in which they are given.

        Raises:
            HeadCTReadError: as `read`; `BAD_GEOMETRY` where their sizes differ.
        """
        first = self.read(sources[0], window)
        rows, columns = first.hu.shape
        check_size(str(sources[0]), rows, columns, len(sources))
        hu = np.empty((rows, columns, len(sources)), np.float32)
        findings: dict[Code, Finding] = {}
        for index, source in enumerate(sources):
            one = self.read(source, window) if index else first
            if one.hu.shape != first.hu.shape:
                raise HeadCTReadError(
                    f"{source} has another size than {sources[0]}; give slices of one study.", Code.BAD_GEOMETRY
                )
            hu[..., index] = one.hu
            findings |= {found.code: found for found in one.findings if found.code not in findings}
        return Voxels(hu, findings=list(findings.values()))


def _open(file: Any, source: ImageSource) -> Image.Image:
    try:
        return Image.open(file, formats=PILLOW_FORMATS)
    except HeadCTReadError:
        raise
    except Image.DecompressionBombError as error:
        raise HeadCTReadError(
            f"{source} has more pixels than any slice ({first_line(error)}); give one slice.", Code.TOO_LARGE
        ) from error
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise HeadCTReadError(f"{source} is not a readable image ({first_line(error)}); copy it again.") from error


def _coloured(image: Image.Image) -> float:
    """Share of the pixels that are neither grey nor tinted."""
    if image.mode in ("L", "LA", "1"):
        return 0.0
    step = max(1, max(image.size) // _LOOKED_AT)
    pixels = np.asarray(image.convert("RGB"))[::step, ::step].astype(np.int16)
    difference = np.abs(pixels[..., ::2] - pixels[..., 1:2]).max(axis=-1)
    return float(np.mean(difference > _TINT))


FORMAT = Picture()
