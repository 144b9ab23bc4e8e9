"""Where a slice is to be filled anew: around blood that is there, or where blood of a kind may lie."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask, dilate

# Lengths are in mm.
MARGIN = (2.0, 6.0)  # around blood, so that the hole does not tell its outline
RADIUS = (6.0, 20.0)  # half axes of a hole in the brain
BAND = (4.0, 12.0)  # depth of a hole along the skull
ALONG = (30.0, 80.0)  # its width
LAYERS = ("epidural", "subdural")
SMALLEST = 60.0  # mm2


def hole_around(blood: Mask, inside: Mask, pixel: float, rng: np.random.Generator) -> Mask:
    """Blood and a margin, inside the skull; all (H, W), `pixel` in mm."""
    margin = max(round(rng.uniform(*MARGIN) / pixel), 1)
    return dilate(blood, margin) & (inside | blood)


def random_hole(kind: str, inside: Mask, pixel: float, rng: np.random.Generator) -> Mask | None:
    """A place where blood of a kind may lie: along the skull, or an ellipse in it; None where there is no room.

    Args:
        kind: of `KINDS`.
        inside: the inside of the skull (H, W).
        pixel: side of a pixel in mm.
        rng: decides.
    """
    depth = ndimage.distance_transform_edt(inside) * pixel
    layer = kind in LAYERS
    centres = np.argwhere(inside & (depth < 2 * pixel) if layer else depth > RADIUS[0])
    if not len(centres):
        return None
    row, column = centres[rng.integers(len(centres))]
    rows, columns = np.indices(inside.shape)
    if layer:
        near = np.hypot(rows - row, columns - column) * pixel < rng.uniform(*ALONG) / 2
        hole = inside & near & (depth < rng.uniform(*BAND))
    else:
        turn = rng.uniform(0, np.pi)
        along = (rows - row) * np.cos(turn) + (columns - column) * np.sin(turn)
        across = (columns - column) * np.cos(turn) - (rows - row) * np.sin(turn)
        hole = inside & (np.hypot(along / rng.uniform(*RADIUS), across / rng.uniform(*RADIUS)) * pixel < 1)
    return hole if hole.sum() * pixel**2 >= SMALLEST else None


def window_around(hole: Mask, size: int) -> tuple[slice, slice] | None:
    """A square of so many pixels around the middle of a hole; None where the slice (H, W) is smaller."""
    if min(hole.shape) < size:
        return None
    found: list[slice] = []
    for places, length in zip(np.nonzero(hole), hole.shape, strict=True):
        middle = (int(places.min()) + int(places.max()) + 1) // 2
        start = min(max(middle - size // 2, 0), length - size)
        found.append(slice(start, start + size))
    return found[0], found[1]


def soft(hole: Mask, pixel: float) -> NDArray[np.float32]:
    """A hole with an edge of a millimetre inside it, 0 to 1."""
    return (ndimage.distance_transform_edt(hole) * pixel).clip(0, 1).astype(np.float32)
