"""Where in a slice another patient's bleeding comes to lie."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.classes import KINDS
from ichmonai.transforms.anatomy.binary_image import Mask, dilate, erode
from ichmonai.transforms.anatomy.inner_table import InnerTable, SkullFrame
from ichmonai.transforms.counterfactual.base import Array
from ichmonai.transforms.counterfactual.bleeding import Bleeding, Layer

# Lengths are in mm.
JITTER = 4.0  # standard deviation of the place of a bleeding
SCALE = (0.75, 1.3)
TURN = 20.0  # degrees to either side
IN_FLUID = ("intraventricular", "subarachnoid")
TRIALS = 6  # places that are tried for a bleeding in fluid, to hit the most
FLUID_TURN = 8.0
FLUID_SCALE = (0.9, 1.1)
HIT = 0.2  # least part of fluid where blood of ventricles comes
CENTRAL = 1.35  # standard deviations of the inside of the skull; ventricles lie within
SPREAD = 2.5  # standard deviation of the blur of a bleeding; what fluid is there, fills
FLUID_RISE = (-8.0, -22.0)  # HU of some and of pure fluid, as far as it can be told, above the brain's level
ALONG = 0.05  # standard deviation of the middle of a layer, as a share of the inner table
LENGTH = (0.6, 1.3)
THICKNESS = {"subdural": (0.6, 1.5), "epidural": (0.9, 2.5)}
THIN = {"subdural": 0.35, "epidural": 0.15}  # how often a layer is made a thin one
THIN_MM = (2.0, 4.0)
BUMPY = 0.8  # radians by which the inner table may turn more along a layer than that of a round skull
HALF = 0.5  # part of a pixel from which it belongs to the mask


class Target(NamedTuple):
    """The slice that a bleeding is put into."""

    image: Array  # HU (H, W)
    smoothed: Array  # HU (H, W), inside the skull
    inside: Mask
    level: float  # of the brain, HU
    frame: SkullFrame
    pixel: float  # mm


class Placed(NamedTuple):
    """A bleeding in the pixels of a slice."""

    window: tuple[slice, slice]
    rise: Array  # HU above the level of the brain
    part: Array  # of blood in each pixel, 0 to 1
    mask: NDArray[np.uint8]
    thickness: float = np.inf  # of a layer in mm
    to_bone: bool = False  # whether it fills the pixels that bone shares, too


def place(donor: Bleeding | Layer, target: Target, rng: np.random.Generator) -> Placed | None:
    """Put a bleeding somewhere, or None where it would lie outside the slice."""
    if isinstance(donor, Layer):
        return _lay(donor, target, rng)
    if not set(donor.kinds) & set(IN_FLUID):
        return _warp(donor, target, _motion(donor, target, TURN, SCALE, rng))
    motions = [_motion(donor, target, FLUID_TURN, FLUID_SCALE, rng) for _ in range(TRIALS)]
    fluid = _ventricles(target) if "intraventricular" in donor.kinds else _fluid(target)
    hits = [_hits(donor, motion, fluid) for motion in motions]
    if "intraventricular" in donor.kinds and max(hits) < HIT:
        return None
    placed = _warp(donor, target, motions[int(np.argmax(hits))])
    return placed and _into_fluid(placed, donor, fluid, target.pixel, rng)


class _Motion(NamedTuple):
    matrix: NDArray[np.float64]  # (2, 2) from offsets in the slice to those in the donor
    here: NDArray[np.float64]  # the middle of the donor in the slice, (row, column)


def _motion(
    donor: Bleeding, target: Target, turn: float, scale: tuple[float, float], rng: np.random.Generator
) -> _Motion:
    matrix = target.frame.to(donor.frame, mirrored=rng.random() < 0.5)
    middle = (np.array(donor.part.shape) - 1) / 2
    jitter = rng.normal(0, JITTER / target.pixel, 2)
    here = target.frame.centre + np.linalg.solve(matrix, middle - donor.frame.centre) + jitter
    angle = np.deg2rad(rng.uniform(-turn, turn))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _Motion(matrix @ turned / rng.uniform(*scale), here)


def _window(donor: Bleeding, shape: tuple[int, ...], motion: _Motion) -> tuple[slice, slice] | None:
    back = abs(np.linalg.inv(motion.matrix))
    reach = back @ np.array(donor.part.shape) / 2
    low = np.maximum(np.floor(motion.here - reach), 0).astype(int)
    high = np.minimum(np.ceil(motion.here + reach) + 1, shape).astype(int)
    return None if (high <= low).any() else (slice(*map(int, (low[0], high[0]))), slice(*map(int, (low[1], high[1]))))


def _source(donor: Bleeding, window: tuple[slice, slice], motion: _Motion, step: int = 1) -> NDArray[np.float64]:
    grid = np.mgrid[window[0].start : window[0].stop : step, window[1].start : window[1].stop : step]
    middle = (np.array(donor.part.shape) - 1) / 2
    return np.tensordot(motion.matrix, grid - motion.here[:, None, None], axes=1) + middle[:, None, None]


def _hits(donor: Bleeding, motion: _Motion, fluid: Array) -> float:
    """Mean part of fluid where blood would come."""
    window = _window(donor, fluid.shape, motion)
    if window is None:
        return -1.0
    part = ndimage.map_coordinates(donor.part, _source(donor, window, motion, 2), order=0).astype(np.float32)
    return float((part * fluid[window][::2, ::2]).sum() / max(part.sum(), 1))


def _warp(donor: Bleeding, target: Target, motion: _Motion) -> Placed | None:
    window = _window(donor, target.image.shape, motion)
    if window is None:
        return None
    source = _source(donor, window, motion)
    rise = ndimage.map_coordinates(donor.rise.astype(np.float32), source, order=1, mode="nearest")
    part = ndimage.map_coordinates(donor.part.astype(np.float32) / 255, source, order=1)
    return Placed(window, rise, part, ndimage.map_coordinates(donor.mask, source, order=0))


def _fluid(target: Target) -> Array:
    """Part of fluid in each pixel inside the skull."""
    some, pure = FLUID_RISE
    rise = target.smoothed - target.level
    return np.where(target.inside, ((rise - some) / (pure - some)).clip(0, 1), 0).astype(np.float32)


def _ventricles(target: Target) -> Array:
    """The same, but only of wide fluid in the middle of the skull."""
    fluid = _fluid(target)
    offset = np.indices(fluid.shape, np.float32) - target.frame.centre.astype(np.float32)[:, None, None]
    x, y = np.tensordot(np.linalg.inv(target.frame.axes).astype(np.float32), offset, axes=1)
    wide = dilate(erode(fluid > HALF, 1), 2) & (x**2 + y**2 < CENTRAL**2)
    return fluid * wide


def _into_fluid(placed: Placed, donor: Bleeding, fluid: Array, pixel: float, rng: np.random.Generator) -> Placed:
    """Let the fluid around take the blood; perhaps it lies nowhere else, perhaps it is also where it was."""
    around = (2 * ndimage.gaussian_filter(placed.part, SPREAD / pixel)).clip(0, 1)
    filled = (1.3 * fluid[placed.window] * around).clip(0, 1)
    if filled.sum() < rng.uniform(0.2, 0.8) * placed.part.sum():  # there is hardly any
        filled = np.maximum(filled, placed.part)
    number = KINDS.index(donor.kinds[0]) + 1
    return placed._replace(part=filled, mask=np.where(filled > HALF, number, 0).astype(np.uint8))


def _lay(donor: Layer, target: Target, rng: np.random.Generator) -> Placed | None:
    """Bend a layer to the skull."""
    table = InnerTable(target.inside, target.frame, target.pixel)
    mirrored = rng.random() < 0.5
    length = donor.part.shape[1] * donor.step / donor.perimeter * rng.uniform(*LENGTH)
    middle = (1 - donor.middle if mirrored else donor.middle) + rng.normal(0, ALONG)
    if length < HALF:  # it stays on its side of the sagittal sinus
        side = 0.0 if middle % 1 < HALF else HALF
        middle = np.clip(middle % 1, side + length / 2, side + HALF - length / 2)
    thickest = float(np.percentile((donor.part.astype(np.float32) / 255).sum(axis=0), 90)) * donor.step
    thick = rng.uniform(*THICKNESS[donor.kinds[0]])
    if rng.random() < THIN[donor.kinds[0]]:
        thick = rng.uniform(*THIN_MM) / thickest
    low, high = (middle - length / 2) * table.perimeter, (middle + length / 2) * table.perimeter
    if table.turning(low, high) > 2 * np.pi * length + BUMPY:
        return None  # the skull base
    deepest = donor.part.shape[0] * donor.step * thick
    outline = table.place(np.tile(np.linspace(low, high, 32), 2), np.repeat([-target.pixel, deepest], 32))
    first = np.maximum(np.floor(outline.min(axis=1)), 0).astype(int)
    last = np.minimum(np.ceil(outline.max(axis=1)) + 1, target.image.shape).astype(int)
    rows, columns = np.mgrid[first[0] : last[0], first[1] : last[1]].reshape(2, -1)
    along, depth = table.coordinates(np.stack([rows, columns]).astype(float))
    offset = (along / table.perimeter - middle + 0.5) % 1 - 0.5
    near = (abs(offset) < length / 2) & (depth < deepest) & (depth > -target.pixel)
    if not near.any():
        return None
    rows, columns, depth, offset = (values[near] for values in (rows, columns, depth, offset))
    window = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
    there = offset / length * donor.part.shape[1] * (-1 if mirrored else 1) + (donor.part.shape[1] - 1) / 2
    source = np.stack([(depth / (thick * donor.step)).clip(0), there])
    shape = window[0].stop - window[0].start, window[1].stop - window[1].start
    rise, part = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    place = rows - window[0].start, columns - window[1].start
    rise[place] = ndimage.map_coordinates(donor.rise.astype(np.float32), source, order=1, mode="nearest")
    part[place] = ndimage.map_coordinates(donor.part.astype(np.float32) / 255, source, order=1)
    mask = np.where(part > HALF, KINDS.index(donor.kinds[0]) + 1, 0).astype(np.uint8)
    return Placed(window, rise, part, mask, thickness=thick * thickest, to_bone=True)
