"""Pictures of a series as files."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ichmonai.prediction.pictures import Pictures

LEADING, SMALL, SEEN, STRIP = "slice.jpg", "small.jpg", "seen.jpg", "strip.jpg"
CELL = 128
"""Pixels of a slice in the strip of all slices."""
COLUMNS = 8
"""Slices in a row of the strip."""
_LARGEST = 768
"""Pixels of the leading slice."""


def draw(pictures: Pictures, row: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw what the pages of one series show.

    Args:
        pictures: of the series.
        row: of the table of studies.

    Returns:
        Name -> JPEG: the leading slice, large and small; the same as the network saw it; all slices, `COLUMNS` a row.
    """
    leading = Image.fromarray(pictures.slices[int(row["leading_slice"])])
    shown = leading.resize(_shape(leading.size, pictures.spacing, _LARGEST), Image.Resampling.BICUBIC)
    return {
        LEADING: _jpeg(shown, 90),
        SMALL: _jpeg(_fitted(leading, pictures.spacing, CELL), 85),
        SEEN: _jpeg(Image.fromarray(pictures.network_input), 90),
        STRIP: _jpeg(_strip(pictures.slices, pictures.spacing), 80),
    }


def _strip(slices: NDArray[np.uint8], spacing: tuple[float, float]) -> Image.Image:
    rows = -(-len(slices) // COLUMNS)
    strip = Image.new("L", (CELL * min(COLUMNS, len(slices)), CELL * rows))
    for i, one in enumerate(slices):
        cell = _fitted(Image.fromarray(one), spacing, CELL)
        strip.paste(cell, (i % COLUMNS * CELL, i // COLUMNS * CELL))
    return strip


def _fitted(picture: Image.Image, spacing: tuple[float, float], side: int) -> Image.Image:
    """A picture in the middle of a black square."""
    width, height = _shape(picture.size, spacing, side)
    square = Image.new("L", (side, side))
    square.paste(
        picture.resize((width, height), Image.Resampling.BILINEAR), ((side - width) // 2, (side - height) // 2)
    )
    return square


def _shape(size: tuple[int, int], spacing: tuple[float, float], longest: int) -> tuple[int, int]:
    """Width and height of a picture of square pixels whose longer side is `longest`."""
    width, height = size[0] * spacing[1], size[1] * spacing[0]
    scale = longest / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=quality)
    return buffer.getvalue()
