"""The kinds of haemorrhage that can be drawn into a normal slice, each as the part of blood in its pixels and its HU.

How they look follows what radiology teaches: a subdural haematoma is a crescent along the inner skull, an epidural one
a lens, subarachnoid blood replaces the fluid of sulci and cisterns, blood in the ventricles sinks to the back of a
supine patient, and a haematoma of the brain is irregular, with a rim of oedema. Acute blood has 50 to 80 HU, and
becomes as dark as brain within two or three weeks.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask, dilate, erode
from ichmonai.transforms.anatomy.bleeding import brain_level, smooth_inside
from ichmonai.transforms.anatomy.pieces import Pieces

Array = NDArray[np.float32]

# Lengths are in mm.
ACUTE_HU = (52.0, 76.0)
FADE = 0.8  # standard deviation of the edge of a bleeding
FLUID_HU = 10.0
FLUID_RISE = -8.0  # of fluid, partly, below the brain's level
VENTRICLE = 60.0  # area in mm2 of the smallest
FROM_SKULL = 18.0  # ... and its distance; fluid nearer to bone is in sulci and cisterns
SUBARACHNOID = 40.0  # area in mm2 of fluid that must be there
HALF = 0.5  # part of a pixel from which it belongs to the mask
THIN = 0.4  # ... of blood in fluid, whose parts are nowhere whole
CLOT = 0.1  # standard deviation of the density of blood, as a share of its rise above the brain


class Scene(NamedTuple):
    """The inside of the skull of a slice, in the box that holds it."""

    image: Array  # HU
    inside: Mask
    depth: Array  # distance from the skull in mm
    smoothed: Array  # HU
    level: float  # of the brain, HU
    pixel: float  # mm


class Blood(NamedTuple):
    """What a haemorrhage adds to a slice."""

    part: Array  # of each pixel, 0 to 1; oedema is part of it
    hu: Array
    blood: Mask


def make_scene(image: Array, inside: Mask, pixel: float) -> Scene:
    """Measure the inside of a skull."""
    depth = ndimage.distance_transform_edt(inside).astype(np.float32) * pixel
    smoothed = smooth_inside(image, inside, 0.8 / pixel)
    return Scene(image, inside, depth, smoothed, brain_level(smoothed, inside), pixel)


def subdural(scene: Scene, rng: np.random.Generator) -> Blood | None:
    """A crescent along the inner skull, acute, mixed, or as dark as brain or fluid, when it is old."""
    around = _along_skull(scene, rng, half_width=(35, 85))
    thickness = rng.uniform(3, 16) * np.clip(1 - around**2, 0, 1) ** 0.7
    thickness = thickness * (1 + 0.15 * cloud(scene, rng, 15))
    part = _soft(thickness - scene.depth, scene)
    kind = rng.random()
    if kind < 0.7:
        blood = _blood(scene, rng, rng.uniform(*ACUTE_HU))
    elif kind < 0.85:  # the cells of an older one sink
        rows = np.arange(scene.depth.shape[0], dtype=np.float32)[:, None] * scene.pixel
        surface = np.average(np.broadcast_to(rows, part.shape), weights=part + 1e-6) + rng.normal(0, 10)
        sunk = 1 / (1 + np.exp(-(rows - surface) / 2))
        blood = _blood(scene, rng, rng.uniform(48, 65)) * sunk + rng.uniform(20, 32) * (1 - sunk)
    else:
        blood = _blood(scene, rng, scene.level + rng.choice([-1, 1]) * rng.uniform(5, 10))
    return Blood(part, blood.astype(np.float32), part > HALF)


def epidural(scene: Scene, rng: np.random.Generator) -> Blood | None:
    """A lens between skull and dura, dense, with darker swirls where it still bleeds."""
    around = _along_skull(scene, rng, half_width=(14, 34))
    thickness = rng.uniform(8, 26) * np.clip(1 - around**2, -1, 1)
    blood = _blood(scene, rng, rng.uniform(56, 78))
    if rng.random() < 0.3:
        blood -= 18 * np.clip(cloud(scene, rng, 8) - 0.6, 0, 1)
    part = _soft(thickness - scene.depth, scene)
    return Blood(part, blood, part > HALF)


def subarachnoid(scene: Scene, rng: np.random.Generator) -> Blood | None:
    """Blood instead of fluid in the sulci and cisterns of a region, or nearly everywhere."""
    fluid = _fluid(scene)
    fluid[dilate(_ventricles(scene), 1 + round(2 / scene.pixel))] = 0
    spread = rng.uniform(18, 60)
    rows, columns = np.nonzero(fluid > 0.5)
    if not len(rows):
        return None
    one = rng.integers(len(rows))
    distance = _distance(scene, rows[one], columns[one])
    region = np.clip(1.5 - distance / spread + 0.3 * cloud(scene, rng, 8), 0, 1)
    part = np.clip(1.5 * fluid * region, 0, 1).astype(np.float32)  # it thickens what fluid there is
    if (part > 0.4).sum() * scene.pixel**2 < SUBARACHNOID:
        return None
    return Blood(part, _blood(scene, rng, rng.uniform(48, 70)), part > THIN)


def intraventricular(scene: Scene, rng: np.random.Generator) -> Blood | None:
    """Blood in the ventricles, up to a level in a supine patient, or filling them."""
    ventricles = _ventricles(scene)
    if not ventricles.any():
        return None
    part = _fluid(scene) * ndimage.gaussian_filter(dilate(ventricles, 1).astype(np.float32), FADE / scene.pixel)
    rows = np.arange(len(part), dtype=np.float32)[:, None]
    depth_of_blood = np.quantile(np.nonzero(ventricles)[0], rng.choice([0.0, rng.uniform(0.2, 0.85)]))
    tilt = rng.normal(0, 0.1) * (np.arange(part.shape[1]) - part.shape[1] / 2)
    uneven = rng.uniform(0, 3) * cloud(scene, rng, 6) / scene.pixel
    part = part / (1 + np.exp(-np.clip((rows + tilt + uneven - depth_of_blood) * scene.pixel / 0.7, -30, 30)))
    if (part > 0.4).sum() * scene.pixel**2 < VENTRICLE / 3:
        return None
    return Blood(part.astype(np.float32), _blood(scene, rng, rng.uniform(50, 72)), part > THIN)


def intraparenchymal(scene: Scene, rng: np.random.Generator) -> Blood | None:
    """A haematoma of the brain, 5 to 60 mm wide, mostly small, with a rim of oedema."""
    radius = 2.5 * (30 / 2.5) ** (rng.random() ** 1.3)
    rows, columns = np.nonzero(scene.depth > min(0.7 * radius + 2, 0.8 * scene.depth.max()))
    if not len(rows):
        return None
    one = rng.integers(len(rows))
    distance = _distance(scene, rows[one], columns[one], stretch=rng.uniform(1, 1.9), angle=rng.uniform(0, np.pi))
    edge = radius * (1 + 0.18 * cloud(scene, rng, 0.6 * radius + 2) + 0.06 * cloud(scene, rng, 0.2 * radius + 2))
    outside = distance - edge
    part = _soft(-outside, scene)
    width = rng.uniform(0, 0.5) * radius + 1.5
    oedema = rng.uniform(0, 10) * np.exp(-(np.clip(outside / width, 0, None) ** 2)) * (1 + 0.3 * cloud(scene, rng, 5))
    # In the rim the brain gets darker by the oedema; fluid, which cannot, stays as it is.
    darker = np.maximum(scene.smoothed - oedema, np.minimum(scene.smoothed, scene.level - 15))
    shown = np.maximum(part, (oedema > 0.3).astype(np.float32))
    blood = _blood(scene, rng, rng.uniform(*ACUTE_HU))
    mixed = part * blood + (1 - part) * darker
    return Blood(shown, mixed.astype(np.float32), part > HALF)


DRAW: dict[str, Callable[[Scene, np.random.Generator], Blood | None]] = {
    "epidural": epidural,
    "intraparenchymal": intraparenchymal,
    "intraventricular": intraventricular,
    "subarachnoid": subarachnoid,
    "subdural": subdural,
}
"""By name in `ichmonai.classes.KINDS`."""


def cloud(scene: Scene, rng: np.random.Generator, size: float) -> Array:
    """Smooth noise of mean 0 and standard deviation 1 whose bumps have about this size in mm."""
    return bumps(scene.depth.shape, scene.pixel, rng, size)


def bumps(shape: tuple[int, ...], pixel: float, rng: np.random.Generator, size: float) -> Array:
    """The same for a shape of pixels with sides in mm."""
    step = max(size / pixel, 1.0)
    coarse = rng.normal(size=[int(side / step) + 4 for side in shape]).astype(np.float32)
    offset = rng.random(2)
    return ndimage.affine_transform(coarse, [1 / step] * 2, offset + 1, shape, order=2, mode="nearest") / 0.86


def _along_skull(scene: Scene, rng: np.random.Generator, half_width: tuple[float, float]) -> Array:
    """Direction seen from the middle of the brain, relative to a random one: -1 to 1 across the width of a bleeding."""
    rows, columns = np.nonzero(scene.inside)
    row, column = rows.mean(), columns.mean()
    y, x = np.ogrid[: scene.depth.shape[0], : scene.depth.shape[1]]
    width = np.deg2rad(rng.uniform(*half_width))
    side = rng.choice([-1, 1])
    towards = side * np.pi / 2 + rng.normal(0, np.deg2rad(35))  # mostly lateral, not across the midline
    angle = np.arctan2(x - column, row - y)
    return ((angle - towards + np.pi) % (2 * np.pi) - np.pi) / width


def _distance(scene: Scene, row: int, column: int, stretch: float = 1.0, angle: float = 0.0) -> Array:
    """Distance from a point in mm, shorter along a direction by a factor, longer across."""
    y, x = np.ogrid[: scene.depth.shape[0], : scene.depth.shape[1]]
    along = (y - row) * np.cos(angle) + (x - column) * np.sin(angle)
    across = (x - column) * np.cos(angle) - (y - row) * np.sin(angle)
    return (scene.pixel * np.hypot(along / np.sqrt(stretch), across * np.sqrt(stretch))).astype(np.float32)


def _soft(distance: Array, scene: Scene) -> Array:
    """Part of blood, from the distance in mm to its edge."""
    return (1 / (1 + np.exp(-np.clip(distance / FADE * 2, -30, 30)))).astype(np.float32)


def _blood(scene: Scene, rng: np.random.Generator, hu: float) -> Array:
    return hu + CLOT * abs(hu - scene.level) * cloud(scene, rng, 5)


def _fluid(scene: Scene) -> Array:
    """Part of cerebrospinal fluid in each pixel."""
    top = scene.level + FLUID_RISE
    return np.where(scene.inside, np.clip((top - scene.smoothed) / (top - FLUID_HU), 0, 1), 0).astype(np.float32)


def _ventricles(scene: Scene) -> Mask:
    """Pieces of fluid far from the skull."""
    wide = erode(_fluid(scene) > 0.45, 1)
    pieces = Pieces(dilate(wide, 1))
    deep = pieces.inside(scene.depth > FROM_SKULL) > 0.8 * pieces.sizes
    deep &= pieces.inside(scene.depth > 0.6 * scene.depth.max()) > 0  # deep sulci do not get that far
    return pieces.paint(deep & (pieces.sizes * scene.pixel**2 > VENTRICLE))
