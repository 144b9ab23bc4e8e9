"""Erase the bleeding of a slice, so that it becomes a normal one of the same patient and scanner."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box, dilate, erode
from ichmonai.transforms.anatomy.bleeding import pixels, propose_bleeding, smooth_inside
from ichmonai.transforms.anatomy.inner_table import symmetry_of_skull
from ichmonai.transforms.counterfactual.base import (
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    no_blood,
)

# Lengths are in mm.
RIM = 3.0  # around the proposal, where blood still brightens the image
FADE = 1.2  # standard deviation of the soft edge
ROUGH = 5.0  # around a mask; what is proposed there belongs to it
WITHIN = 0.8  # least share of a mask that lies inside the skull
LARGEST = 0.35  # share of the inside of the skull; of more, too little is left to fill it with
TEXTURE = (3.0, 7.0)  # standard deviation of the blur below which structure is taken from the other side
JITTER = 4.0  # how far that is off the mirrored place, so that the sides never match
SOURCES = 12  # places that are tried, until the hole is full


class RandEraseBleeding(CounterfactualTransform):
    """Erase the bleeding with a probability, where it can be told; the slice is then labelled normal.

    What the slice's mask marks, or without one `propose_bleeding` finds, and a rim, is filled with the blurred
    surroundings, and with texture and noise of the mirrored side or, where that bleeds too, of other places. A normal
    slice stays as it is, and so does one without a credible proposal. Oedema and shift of the midline stay.

    Args:
        prob: probability that a slice with bleeding is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Example:
        >>> import numpy as np
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> hu[0, 40:60, 35:55] = 65  # blood
        >>> erased, label = RandEraseBleeding(prob=1)(hu, np.array([1, 0]))
        >>> round(float(erased[0, 50, 45])), label.tolist()
        (32, [0, -1])
    """

    changes_bleeding = True

    def __init__(self, prob: float = 0.4, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)

    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        proposal = propose_bleeding(image, self.spacing, inside)
        if blood is None or not blood.any():
            blood = proposal
        elif (blood & inside).sum() < WITHIN * blood.sum():
            return None  # the skull is open or not told: what lies outside of it would stay
        else:
            blood = (blood | (proposal & dilate(blood, pixels(ROUGH, pixel)))) & inside
        if not 0 < blood.sum() <= LARGEST * inside.sum():
            return None
        return erase(image, blood, inside, pixel, rng), no_blood(image)


RandEraseBleedingd = CounterfactualTransformd.of(RandEraseBleeding)


def erase(image: Array, blood: Mask, inside: Mask, pixel: float, rng: np.random.Generator) -> Array:
    """Fill a bleeding with brain.

    Args:
        image: HU (H, W).
        blood: what to fill (H, W), not empty.
        inside: the inside of the skull (H, W); nothing else changes.
        pixel: its side in mm.
        rng: chooses where the texture comes from.

    Returns:
        Copy of the image (H, W).
    """
    result = image.copy()
    box = bounding_box(inside, 1)
    result[box] = _fill(image[box], blood[box], inside[box], pixel, rng)
    return result


def _fill(image: Array, blood: Mask, inside: Mask, pixel: float, rng: np.random.Generator) -> Array:
    hole = dilate(blood, pixels(RIM, pixel)) & inside
    part = ndimage.gaussian_filter(dilate(hole, pixels(2 * FADE, pixel)).astype(np.float32), FADE / pixel)
    part = np.where(hole, 1, part) * inside
    clean = inside & ~dilate(hole, 1)
    coarse = rng.uniform(*TEXTURE) / pixel
    near = smooth_inside(image, clean, coarse)
    base = ndimage.gaussian_filter(push_pull(near, clean.astype(np.float32)), coarse / 2)
    texture = _borrow(image - near, np.argwhere(part > 0), clean, inside, pixel, rng)
    rest = image - np.where(hole, base, near)  # within the hole it does not count
    keep = 1 - part
    # Two independent grains that are mixed would be weaker than either.
    grain = (keep * rest + part * texture) / np.sqrt(keep**2 + part**2)
    filled = keep * np.where(hole, base, near) + part * base + grain
    return np.where(part > 0, filled, image).astype(np.float32)


def push_pull(values: Array, weights: Array) -> Array:
    """Fill what has no weight from what is around, on ever coarser grids (Gortler et al., The Lumigraph, 1996)."""
    if weights.min() > 0 or min(values.shape) < 2:
        return values
    even = [(0, side % 2) for side in values.shape]
    shape = tuple((side + 1) // 2 for side in values.shape)
    total = np.pad(values * weights, even).reshape(shape[0], 2, shape[1], 2).sum(axis=(1, 3))
    weight = np.pad(weights, even).reshape(shape[0], 2, shape[1], 2).sum(axis=(1, 3))
    coarse = push_pull(np.divide(total, weight, out=np.zeros_like(total), where=weight > 0), np.minimum(weight, 1))
    large = ndimage.zoom(coarse, 2, order=1, grid_mode=True, mode="nearest")[: values.shape[0], : values.shape[1]]
    return weights * values + (1 - weights) * large


def _borrow(
    texture: Array, places: NDArray[np.int64], clean: Mask, inside: Mask, pixel: float, rng: np.random.Generator
) -> Array:
    """Texture of brain for some places, (N, 2): of the mirrored ones first, then of wherever there is any."""
    result = np.zeros_like(texture)
    usable = erode(clean, 1)
    middle, axis = symmetry_of_skull(inside, pixel)
    mirror = 2 * np.outer(axis, axis) - np.eye(2)
    hole = np.rint(places.mean(axis=0))
    rest = places
    for attempt in range(SOURCES):
        # Whole pixels, and the image's own axes: what is turned or interpolated has another grain.
        first = attempt % 2 == 0
        signs = np.array([1, -1]) if first else rng.choice([-1, 1], 2)
        move = mirror if first else _rotation(rng.uniform(0, 2 * np.pi))
        there = move @ (hole - middle) + middle + rng.normal(0, JITTER / pixel * (1 + attempt / 2), 2)
        source = ((rest - hole) * signs + np.rint(there)).astype(int).clip(0, np.array(texture.shape) - 1)
        good = usable[source[:, 0], source[:, 1]]
        result[rest[good, 0], rest[good, 1]] = texture[source[good, 0], source[good, 1]]
        rest = rest[~good]
        if not len(rest):
            return result
    values = texture[usable]
    if len(values):
        result[rest[:, 0], rest[:, 1]] = rng.choice(values, len(rest))
    return result


def _rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
