"""Pictures of a series as files."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from scipy import ndimage

from ichmonai.classes import KINDS
from ichmonai.figures import GREEN, ORANGE, PURPLE, SKY, VERMILION
from ichmonai.prediction.pictures import Pictures

LEADING, MARKED, SMALL, SEEN, STRIP = "slice.jpg", "marked.jpg", "small.jpg", "seen.jpg", "strip.jpg"
COLOURS = dict(zip(KINDS, (ORANGE, VERMILION, SKY, GREEN, PURPLE), strict=True))
"""Kind -> colour of its outline."""
CELL = 128
"""Pixels of a slice in the strip of all slices."""
COLUMNS = 8
"""Slices in a row of the strip."""
_LARGEST = 768
"""Pixels of the leading slice."""
_FONT = ImageFont.load_default(28)


def draw(pictures: Pictures, row: Mapping[str, Any], mask: NDArray[np.uint8] | None = None) -> dict[str, bytes]:
    """Draw what the pages of one series show.

    Args:
        pictures: of the series.
        row: of the table of studies.
        mask: uint8 (S, H, W) as `Answer` has it.

    Returns:
        Name -> JPEG: the leading slice, large, with R and L where the sides are known, and small; with the outline of
        its blood, where any is marked; as the network saw it; all slices, `COLUMNS` a row.
    """
    leading = Image.fromarray(pictures.slices[int(row["leading_slice"])])
    shown = leading.resize(_shape(leading.size, pictures.spacing, _LARGEST), Image.Resampling.BICUBIC)
    marked = {}
    sides = _with_sides if pictures.placed else Image.Image.copy
    if mask is not None and mask[int(row["leading_slice"])].any():
        marked[MARKED] = _jpeg(sides(_outlined(shown, mask[int(row["leading_slice"])])), 90)
    return marked | {
        LEADING: _jpeg(sides(shown), 90),
        SMALL: _jpeg(_fitted(leading, pictures.spacing, CELL), 85),
        SEEN: _jpeg(Image.fromarray(pictures.network_input), 90),
        STRIP: _jpeg(_strip(pictures.slices, pictures.spacing), 80),
    }


def _outlined(picture: Image.Image, mask: NDArray[np.uint8]) -> Image.Image:
    """A picture with a line along the border of each kind of blood, which hides nothing else."""
    large = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST))
    pixels = np.array(picture.convert("RGB"))
    for value, kind in enumerate(KINDS, 1):
        area = large == value
        pixels[area & ~ndimage.binary_erosion(area, iterations=2)] = ImageColor.getrgb(COLOURS[kind])
    return Image.fromarray(pixels)


def _with_sides(picture: Image.Image) -> Image.Image:
    """A picture with the sides of the patient, as radiologists see them: the right one is on the left."""
    marked = picture.copy()
    drawing, (width, height), white = ImageDraw.Draw(marked), marked.size, "white"
    for x, text in ((0.03, "R"), (0.97, "L")):
        place = (x * width, height / 2)
        drawing.text(place, text, white, _FONT, "mm", stroke_width=2, stroke_fill="black")
    return marked


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
