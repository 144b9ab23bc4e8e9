"""A bleeding cut out of a slice, to be transplanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.classes import KINDS, LOCATIONS, NOT_APPLICABLE, RSNA_LABELS, UNKNOWN
from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box, dilate
from ichmonai.transforms.anatomy.bleeding import (
    brain_level,
    pixel_size,
    pixels,
    propose_bleeding,
    smooth_inside,
)
from ichmonai.transforms.anatomy.inner_table import SkullFrame, skull_frame
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.anatomy.pieces import Pieces

# Lengths are in mm.
HALO = 4.0  # of a bleeding of the brain that is cut out with it
FADE = 1.2  # standard deviation of its soft edge
DENOISE = 0.8  # standard deviation; the noise will be the target's own
RISE_HU = (-8.0, 60.0)  # limits of what is cut, above the brain's level: no fluid, no bone
SKULL_HU = 76.0  # of bone, also where an image ends at 80 HU
OUTLIERS = 3  # pixels of skull in a row or column that do not count
SHAPE = 24  # samples along each side of the shape of the inside of the skull
BRAIN = KINDS.index("intraparenchymal") + 1


@dataclass(frozen=True, eq=False)
class Bleeding:
    """A bleeding cut out of a slice, about 20 kB.

    Attributes:
        rise: HU above the level of the brain, without noise, float16 (h, w).
        part: how much of each pixel is replaced by it, 0 to 255, uint8 (h, w).
        mask: which pixels are blood, as `KINDS` numbers them from 1, uint8 (h, w).
        kinds: those of `KINDS` that it is.
        frame: of its skull, in pixels of these arrays.
        shape: the inside of the skull in its box, bool (24, 24), which tells how high the slice lies.
        location: index of `LOCATIONS`, or `NOT_APPLICABLE`.
        unsure: kinds that it may be, too.
    """

    rise: NDArray[np.float16]
    part: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    kinds: tuple[str, ...]
    frame: SkullFrame
    shape: NDArray[np.bool_]
    location: int = NOT_APPLICABLE
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Layer:
    """A bleeding between skull and brain, unrolled: rows are depths below the inner table, columns lengths along it.

    Attributes:
        rise: HU above the level of the brain, without noise, float16 (h, w).
        part: how much of each pixel is blood, 0 to 255, uint8 (h, w).
        step: side of a pixel in mm.
        middle: of its length, as a share of the inner table from the forehead clockwise.
        perimeter: of the inner table in mm.
        kinds: the one of `KINDS` that it is.
    """

    rise: NDArray[np.float16]
    part: NDArray[np.uint8]
    step: float
    middle: float
    perimeter: float
    kinds: tuple[str, ...]
    location: int = NOT_APPLICABLE
    unsure: tuple[str, ...] = ()


def cut_bleeding(image: np.ndarray, label: Any, spacing: Sequence[float] | None = None) -> Bleeding | None:
    """Cut the bleeding out of a slice.

    Args:
        image: HU (H, W).
        label: of the slice, (2,) or (6,).
        spacing: see `propose_bleeding`.

    Returns:
        The bleeding, or None where there is no credible proposal.
    """
    inside = intracranial_mask(image, spacing)
    blood = propose_bleeding(image, spacing, inside)
    if not blood.any():
        return None
    pieces = Pieces(blood)
    mask = np.where(blood, UNKNOWN, 0).astype(np.uint8)  # beside the largest piece there may be blood in ventricles
    if len(label) == len(RSNA_LABELS):
        kinds = tuple(name for name, shown in zip(RSNA_LABELS, label, strict=True) if shown)[1:]
        mask[blood] = KINDS.index(kinds[0]) + 1 if len(kinds) == 1 else UNKNOWN
        return cut_with_halo(image, blood, mask, inside, spacing, kinds)
    mask[pieces.paint(pieces.sizes == pieces.sizes.max())] = BRAIN
    location = int(label[1]) if label[1] in range(len(LOCATIONS)) else NOT_APPLICABLE
    unsure = ("intraventricular",)
    return cut_with_halo(image, blood, mask, inside, spacing, ("intraparenchymal",), location, unsure)


def cut_with_halo(
    image: np.ndarray,
    blood: Mask,
    mask: NDArray[np.uint8],
    inside: Mask,
    spacing: Sequence[float] | None,
    kinds: tuple[str, ...],
    location: int = NOT_APPLICABLE,
    unsure: tuple[str, ...] = (),
) -> Bleeding:
    """Cut blood out of a slice with its rim of oedema; the arguments after the image are (H, W) or as in `Bleeding`."""
    pixel = pixel_size(image, spacing)
    window = bounding_box(blood, pixels(HALO + 4 * FADE, pixel))
    smoothed = smooth_inside(image.clip(-20, 100), inside, DENOISE / pixel)
    rise = (smoothed - brain_level(smoothed, inside))[window].clip(*RISE_HU)
    part = ndimage.gaussian_filter(dilate(blood, pixels(HALO, pixel)).astype(np.float32), FADE / pixel)
    frame = skull_frame(inside, pixel)
    return Bleeding(
        rise=rise.astype(np.float16),
        part=np.rint((part * inside)[window] * 255).astype(np.uint8),
        mask=mask[window],
        kinds=kinds,
        frame=frame._replace(centre=frame.centre - [one.start for one in window]),
        shape=skull_shape(inside, skull_box(image, inside)),
        location=location,
        unsure=unsure,
    )


def skull_box(image: np.ndarray, inside: Mask) -> tuple[slice, slice]:
    """Rows and columns that hold the skull; what is as bright but small, as a marker, does not count."""
    skull = (image >= SKULL_HU) | inside
    rows, columns = (np.flatnonzero(skull.sum(axis=axis) > OUTLIERS) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def skull_shape(inside: Mask, box: tuple[slice, slice]) -> NDArray[np.bool_]:
    """The inside of the skull sampled in the box of the skull, (24, 24)."""
    rows, columns = (np.linspace(part.start, part.stop - 1, SHAPE).round().astype(int) for part in box)
    return inside[np.ix_(rows, columns)]
