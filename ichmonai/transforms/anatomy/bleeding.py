"""Where a head CT slice probably bleeds, found without a network.

Acute blood is brighter than brain by more than grey matter differs from white. So the inside of the skull is smoothed,
and compact pieces well above its median are proposed, away from bone, beside which beam hardening brightens the brain.
Meant for augmentation, where the labels say whether there is a bleeding at all: not a detector.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box, close, dilate, erode
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.anatomy.pieces import Pieces, fill_holes

Image = TypeVar("Image", np.ndarray, torch.Tensor)
Field = NDArray[np.floating[Any]]

# Lengths are in mm.
GRID = 256  # pixels along the longer side of the working grid, about
FIELD_OF_VIEW = 220.0  # where the spacing is unknown
BRAIN_HU = (-20.0, 100.0)  # what is beyond is clipped before it is smoothed
SMOOTH = 1.5  # standard deviation
RISE = 11.0  # HU above the median of the brain
GRADUAL_RISE = 7.0  # ... of what surrounds such a piece
SURROUND = 4.0  # how far that reaches
SMALLEST = 50.0  # area of a piece in mm2
COMPANION = 10.0  # ... of one beside which another is large enough
DEEP = 7.0  # the distance from bone that a piece must reach
BESIDE_BONE = 1.5
CORE = 1.6  # half the least thickness of a piece
BANDS = (0.0, 2.5, 5.0, 7.5, 10.0)  # distances from bone between which the brain's level is measured apart
CUPPING = 12.0  # most HU that the level beside bone may be above the rest
CALCIFIED_HU = 77.0  # a piece of which more than CALCIFIED is above is bone or chalk
CALCIFIED = 0.4
NOTCH = 20.0  # half the width of a notch in the inside of the skull
BESIDE_NOTCH = 5.0  # blood as bright as bone, next to it, leaves a notch of NOTCHED mm2 there, and more blood nearby
NOTCHED = 60.0


def propose_bleeding(hu: Image, spacing: Sequence[float] | None = None, inside: Image | None = None) -> Image:
    """Propose which pixels of a slice are acute blood within the brain.

    Args:
        hu: one slice (H, W) in HU; an 8-bit image that ends at 80 HU will do.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.
        inside: the slice's `intracranial_mask`, where it is known already.

    Returns:
        Boolean mask of the same shape, array for array and tensor for tensor; empty where nothing is credible.

    Raises:
        ValueError: if `hu` is not (H, W).

    Example:
        >>> hu = np.full((128, 128), -1000.0)
        >>> hu[10:118, 20:108] = 900  # a skull
        >>> hu[16:112, 26:102] = 32  # a brain
        >>> hu[40:60, 50:70] = 65  # blood
        >>> mask = propose_bleeding(hu)
        >>> bool(mask[50, 60]), bool(mask[80, 60])
        (True, False)
    """
    if hu.ndim != 2:
        raise ValueError(f"A slice (H, W) is needed, not an image of shape {tuple(hu.shape)}.")
    image = hu.detach().cpu().numpy() if isinstance(hu, torch.Tensor) else hu
    if inside is None:
        within = intracranial_mask(image, spacing)
    else:
        within = inside.detach().cpu().numpy() if isinstance(inside, torch.Tensor) else inside
    mask = _proposal(image, within, pixel_size(image, spacing))
    return torch.from_numpy(mask).to(hu.device) if isinstance(hu, torch.Tensor) else mask


def pixel_size(image: np.ndarray, spacing: Sequence[float] | None) -> float:
    """Side of a pixel in mm; without spacing the longer side of a slice is taken for 220 mm."""
    return FIELD_OF_VIEW / max(image.shape) if spacing is None else (spacing[0] + spacing[1]) / 2


def pixels(mm: float, pixel: float) -> int:
    """Length in pixels, at least 1."""
    return max(1, round(mm / pixel))


def smooth_inside(image: Field, inside: Mask, sigma: float) -> NDArray[np.float32]:
    """Blur by a Gaussian to which nothing outside the mask contributes; 0 where nothing is near."""
    weights = inside.astype(np.float32)
    blurred = ndimage.gaussian_filter(image.astype(np.float32) * weights, sigma, truncate=2.5)
    weights = ndimage.gaussian_filter(weights, sigma, truncate=2.5)
    return np.divide(blurred, weights, out=np.zeros_like(blurred), where=weights > 1e-3)


def brain_level(smoothed: Field, inside: Mask) -> float:
    """Median HU of the brain, without what is so bright that it is blood."""
    values = smoothed[inside]
    level = float(np.median(values))
    for _ in range(3):  # a large bleeding lifts the median
        level = float(np.median(values[values < level + RISE]))
    return level


def _proposal(image: np.ndarray, inside: Mask, pixel: float) -> Mask:
    mask = np.zeros(image.shape, bool)
    if inside.sum() * pixel**2 < 20 * SMALLEST:
        return mask
    step = max(1, round(max(image.shape) / GRID))
    rows, columns = bounding_box(inside, 2 * step)
    rows = slice(rows.start // step * step, min(rows.stop, image.shape[0]) // step * step)
    columns = slice(columns.start // step * step, min(columns.stop, image.shape[1]) // step * step)
    clipped = image[rows, columns].astype(np.float32).clip(*BRAIN_HU)
    shape = clipped.shape[0] // step, clipped.shape[1] // step
    small = clipped.reshape(shape[0], step, shape[1], step).mean(axis=(1, 3))
    within = np.ascontiguousarray(inside[rows, columns][::step, ::step])
    found = _bright_pieces(small, within, pixel * step)
    mask[rows, columns] = found.repeat(step, axis=0).repeat(step, axis=1)
    return mask


def _bright_pieces(image: Field, inside: Mask, pixel: float) -> Mask:
    smoothed = smooth_inside(image, inside, SMOOTH / pixel)
    rise = smoothed - _level_by_depth(smoothed, inside, pixel)
    allowed = erode(inside, pixels(BESIDE_BONE, pixel))
    bright = (rise > RISE) & allowed
    core = pixels(CORE, pixel)
    pieces = Pieces(dilate(erode(bright, core), core + 1) & bright)
    deep = pieces.inside(erode(inside, pixels(DEEP, pixel))) * pixel**2 > COMPANION
    blood = deep & (pieces.inside(image > CALCIFIED_HU) < CALCIFIED * pieces.sizes)
    if not (blood & (pieces.sizes * pixel**2 >= SMALLEST)).any():
        return np.zeros_like(inside)
    found = pieces.paint(blood)
    if _is_notched(dilate(found, pixels(BESIDE_NOTCH, pixel)), inside, pixel):
        return np.zeros_like(inside)
    around = dilate(found, pixels(SURROUND, pixel)) & (rise > GRADUAL_RISE) & allowed
    return fill_holes(found | around)


def _level_by_depth(smoothed: Field, inside: Mask, pixel: float) -> NDArray[np.float32]:
    """The brain's level at each pixel: beside bone that of its distance from bone, where that is higher."""
    level = brain_level(smoothed, inside)
    levels = np.full(smoothed.shape, level, np.float32)
    masks = [inside if mm == 0 else erode(inside, pixels(mm, pixel)) for mm in BANDS]
    for outer, inner in pairwise(masks):
        band = outer & ~inner
        if band.any():
            levels[band] = level + np.clip(np.percentile(smoothed[band], 60) - level, 0, CUPPING)
    return levels


def _is_notched(beside: Mask, inside: Mask, pixel: float) -> bool:
    """Is part of the bleeding taken for bone?"""
    whole = close(inside, pixels(NOTCH, pixel))
    notches = Pieces(erode(whole, pixels(BESIDE_NOTCH, pixel)) & ~inside)
    return bool(((notches.inside(beside) > 0) & (notches.sizes * pixel**2 > NOTCHED)).any())
