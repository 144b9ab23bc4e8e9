"""What is inside the skull on a head CT, and how much of it each slice shows.

A piece of soft tissue lies inside the skull when bone borders it; muscles, tongue, globes and mucosa border on fat and
air. So each slice is cut into pieces at its narrow places (fissures, foramina, defects of the bone), at few millimetres
first and more widely where a piece leaks, and the pieces whose border is mostly bone are taken. In a volume the search
starts at the slice that shows most and goes up and down from there: a piece must lie below or above what was found
in the slice before, which rules out fluid in most sinuses, and a brain that was there in the
slice before needs less bone around it, as after a craniectomy. Nothing but the order of the slices is needed, so that
varying distances and tilted gantries do not matter. Works in HU, and in 8-bit images read back to HU in which bone
saturates; where it does not, the skull cannot be told and nothing is claimed.

Limits: the spinal cord and medulla within the foramen magnum belong to the mask, and so does the swollen scalp over a
defect as far as the pieces reach; blood that saturates like bone and touches it does not. A single slice has no
neighbours: tongue between jaws, or a sinus full of fluid, may count as brain. In 8-bit images, where air is as dark as
fluid, a frontal sinus or mastoid may be part of the mask.
"""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box, close, dilate, erode, interleaved
from ichmonai.transforms.anatomy.hulls import hull_areas
from ichmonai.transforms.anatomy.pieces import Pieces, fill_holes

Image = TypeVar("Image", np.ndarray, torch.Tensor)

# Lengths are in mm. Without spacing a field of view of 250 mm is assumed.
GRID = 256  # pixels along the longer side of the working grid, about
FIELD_OF_VIEW = 250.0
BONE_HU = 130.0  # above blood with the noise of thin slices, below thin bone in thick ones
FAT_HU = -30.0  # below is fat or air
WINDOW_HU = -100.0, 300.0  # an image with lower or higher values is not clipped to a window
RANGE_STEP = 16  # every so many rows are looked at first
ROWS = 8  # that are added at once, which the cache holds
FILL_HU = -900.0  # below is air, or the fill of what was removed from an image clipped to a window
ABOVE_BLACK_HU = 1.5  # mean of cerebrospinal fluid clipped at 0 HU, with its noise, is above; fat and air are black
SATURATED = 0.95  # share of the range of values from which bone is saturated
SATURATED_HU = 76.0  # ... but below, it may be blood
CLEFTS = (2.0, 4.0, 7.0, 11.0)  # half the widths of the clefts at which pieces are cut, one after the other
PIECES = 6  # looked at in each slice and for each cleft, the largest first
SMALLEST = 40.0  # area of a piece in mm2, without a cleft's width along its border
EDGE = 1.5  # width of the border of a piece
BONY = 0.65  # share of bone in the border of what is intracranial; muscles stay below 0.6
BONY_BEFORE = 0.35  # ... of a piece that repeats what the slice before showed
REPEATS = 0.6  # share that both must have in common
CANAL = 2000.0  # area in mm2; a smaller piece may be the spinal canal, which repeats itself down the neck
REACH = 8.0  # how far the inside of the skull grows from slice to slice
BRAIN_AT_START = 0.1  # share of the head in the slice that a volume starts from
STARTS = 8  # slices that are tried
FLUID = 0.7  # share of soft tissue in a hole of the bone in which black, in a clipped image, is not fat
BESIDE = 0.7  # least ratio of its border with soft tissue to that with bone
COMPACT = 15.0  # half the thickness of soft tissue that may be brain where a single slice leaves it open
SKULL = 0.04  # share of the head that is bone where bone saturates


class _Slices(NamedTuple):
    """What is not air of slices on the working grid, and what it is made of: each mask (S, h, w)."""

    soft: Mask
    bone: Mask
    fat: Mask  # or air
    pixel: float  # mm
    in_hu: bool
    box: tuple[slice, slice]  # rows and columns of the working grid
    shape: tuple[int, ...]  # of the whole of it


def intracranial_mask(hu: Image, spacing: Sequence[float] | None = None) -> Image:
    """Find the inside of the skull: brain, fluid, blood and calcifications, but no bone, orbit, sinus or neck.

    The outline is as coarse as the working grid, about 1 mm.

    Args:
        hu: one slice (H, W) or a volume (H, W, S) in HU, any numeric dtype, slices in the order of their position.
        spacing: distances of rows and of columns in mm; more numbers are ignored. None where they are unknown.

    Returns:
        Boolean mask of the same shape, array for array and tensor for tensor (plain, on the same device).

    Raises:
        ValueError: if `hu` has neither two nor three dimensions.

    Example:
        >>> hu = np.full((64, 64), -1000.0)
        >>> hu[10:50, 10:50] = 900  # a skull
        >>> hu[13:47, 13:47] = 35  # a brain
        >>> mask = intracranial_mask(hu)
        >>> bool(mask[20, 30]), bool(mask[11, 30])
        (True, False)
    """
    image = _array(hu)
    found: _Slices = _take_apart(image, spacing)
    inside = np.zeros(found.shape, bool)
    inside[(slice(None), *found.box)] = _inside(found)
    mask = np.zeros(image.shape, bool)
    step = _step(image)
    large = inside.repeat(step, axis=1).repeat(step, axis=2)
    rows, columns = large.shape[1:]
    volume = mask if mask.ndim == 3 else mask[..., None]
    volume[:rows, :columns] = np.moveaxis(large, 0, -1)
    return torch.from_numpy(mask).to(hu.device) if isinstance(hu, torch.Tensor) else mask


def brain_content(hu: np.ndarray | torch.Tensor, spacing: Sequence[float] | None = None) -> NDArray[np.float64]:
    """How much of each slice is inside the skull: the share of the head's cross section.

    The cross section is the area of the convex hull of the head, so that the unit is the same with and without known
    spacing. Mid-brain slices reach 0.6 to 0.8; the foramen magnum and the spinal canal are 0.02 to 0.06. Where fat is
    black, as in 8-bit images, the scalp is no part of the cross section and the share a little higher.

    Args:
        hu: one slice (H, W) or a volume (H, W, S), see `intracranial_mask`.
        spacing: see `intracranial_mask`.

    Returns:
        Share of each slice, (S,), from 0 to 1; (1,) for one slice. 0 where there is no head. nan where it cannot be
        told: in a volume that is clipped and has hardly any value high enough for bone, and in a single slice with
        soft tissue as thick as a brain that bone does not border, as where a skull is open or blurred by artefacts.

    Raises:
        ValueError: if `hu` has neither two nor three dimensions.

    Example:
        >>> brain_content(np.full((64, 64), -1000.0)).tolist()
        [0.0]
    """
    slices = _take_apart(_array(hu), spacing)
    heads = _cross_sections(~slices.fat, slices.pixel)
    outlines = hull_areas(heads)
    inside = _inside(slices)
    share = inside.sum(axis=(1, 2)) / np.maximum(outlines, 1)
    if len(share) == 1:
        unclear = bool(erode(slices.soft[0] & ~inside[0], _pixels(COMPACT, slices.pixel)).any())
    else:
        unclear = not slices.in_hu and bool(np.count_nonzero(slices.bone & heads) < SKULL * outlines.sum())
    return np.where(unclear & (outlines > 0), np.nan, share)


def _array(hu: np.ndarray | torch.Tensor) -> np.ndarray:
    if hu.ndim not in (2, 3):
        raise ValueError(f"A slice (H, W) or a volume (H, W, S) is needed, not an image of shape {tuple(hu.shape)}.")
    return hu.detach().cpu().numpy() if isinstance(hu, torch.Tensor) else hu


def _step(image: np.ndarray) -> int:
    return max(1, round(max(image.shape[:2]) / GRID))


def _shrunk(volume: np.ndarray, step: int) -> NDArray[np.float32]:
    """Means of `step` x `step` pixels of (H, W, S), as (S, h, w); what is read lies in one piece in memory."""
    height, width, count = volume.shape[0] // step, volume.shape[1] // step, volume.shape[2]
    if not interleaved(volume):
        small = np.empty((count, height, width), np.float32)
        for index, target in enumerate(small):
            _means(volume[..., index], step, target)
        return small
    small = np.empty((height, width, count), np.float32)
    for row in range(0, height, ROWS):
        _means(volume[row * step : (row + ROWS) * step], step, small[row : row + ROWS])
    return np.moveaxis(small, -1, 0).copy()


def _means(image: np.ndarray, step: int, result: NDArray[np.float32]) -> None:
    image = image.astype(np.float32, copy=False)
    # Rows first: they are added as they lie in memory.
    of_rows = reduce(np.add, [image[offset::step] for offset in range(step)])
    np.divide(reduce(np.add, [of_rows[:, offset::step] for offset in range(step)]), step**2, out=result)


def _take_apart(image: np.ndarray, spacing: Sequence[float] | None) -> _Slices:
    step = _step(image)
    volume = image if image.ndim == 3 else image[..., None]
    rows, columns = (side // step * step for side in image.shape[:2])
    small = _shrunk(volume[:rows, :columns], step)
    low, high = _range(volume[::RANGE_STEP])
    if low >= WINDOW_HU[0]:  # else it does not matter how low, nor how high
        low, high = _range(volume)
    in_hu = low < WINDOW_HU[0] or high > WINDOW_HU[1]
    bone = small >= (BONE_HU if in_hu else max(SATURATED_HU, low + SATURATED * (high - low)))
    fat = small <= max(FAT_HU, low + ABOVE_BLACK_HU)
    pixel = step * (FIELD_OF_VIEW / max(image.shape[:2]) if spacing is None else (spacing[0] + spacing[1]) / 2)
    tissue = np.logical_or.reduce(~fat | bone)
    # Nothing that follows reaches farther than the widest cleft.
    box = bounding_box(tissue, _pixels(CLEFTS[-1], pixel) + 2) if tissue.any() else (slice(None), slice(None))
    bone, fat = (np.ascontiguousarray(one[(slice(None), *box)]) for one in (bone, fat))
    soft = ~fat & ~bone
    if not in_hu:
        soft |= _dark_fluid(bone, soft, pixel)
    return _Slices(soft, bone, fat, pixel, in_hu, box, small.shape)


def _range(hu: np.ndarray) -> tuple[float, float]:
    """Lowest value, of air at most 0, and highest."""
    return float(hu.min(where=hu > FILL_HU, initial=0)), float(hu.max())


def _dark_fluid(bone: Mask, soft: Mask, pixel: float) -> Mask:
    """What bone encloses together with much soft tissue: black there is fluid or an artefact, not fat."""
    holes = Pieces(fill_holes(close(bone, _pixels(CLEFTS[0], pixel))) & ~bone, diagonal=False)
    dark = Pieces(holes.paint(holes.inside(soft) > FLUID * holes.sizes) & ~soft)
    beside = dark.inside(dilate(soft, 1)) > BESIDE * dark.inside(dilate(bone, 1))  # else it is air of a sinus
    return dark.paint(beside)


def _cross_sections(tissue: Mask, pixel: float) -> Mask:
    """The head: the largest piece, without holders, whose plates are thin, and with fat between muscles."""
    plate, fat = _pixels(4, pixel), _pixels(6, pixel)
    pieces = Pieces(fill_holes(close(dilate(erode(tissue, plate), plate), fat)))
    largest = np.zeros(len(tissue), np.int64)
    np.maximum.at(largest, pieces.image, pieces.sizes)
    return pieces.paint(pieces.sizes == largest[pieces.image])


def _pixels(mm: float, pixel: float) -> int:
    return max(1, round(mm / pixel))


def _inside(slices: _Slices) -> Mask:
    """The inside of the skull in each slice, (S, h, w)."""
    result = np.zeros_like(slices.soft)
    count = len(result)
    start = 0 if count == 1 else _start(slices)
    if start is None:
        return result
    result[start] = _enclosed(slices, start)
    for order in (range(start + 1, count), range(start - 1, -1, -1)):
        before = result[start]
        for index in order:
            result[index] = _enclosed(slices, index, before)
            if result[index].any():  # a damaged slice does not end the search
                before = result[index]
    return result


def _start(slices: _Slices) -> int | None:
    """The slice that shows most of the inside of a skull, or None."""
    gap = _pixels(CLEFTS[0], slices.pixel)
    closed = (fill_holes(close(slices.bone, gap)) & slices.soft).sum(axis=(1, 2))
    for index in np.argsort(closed)[::-1][:STARTS].tolist():
        if _enclosed(slices, index).sum() > BRAIN_AT_START * (~slices.fat[index]).sum():
            return index
    return None


def _enclosed(slices: _Slices, index: int, before: Mask | None = None) -> Mask:
    """The pieces of soft tissue in one slice that bone borders, within reach of what the slice before showed."""
    soft, bone = slices.soft[index], slices.bone[index]
    result = np.zeros_like(soft)
    edge = _pixels(EDGE, slices.pixel)
    if before is not None:
        reach = _pixels(REACH, slices.pixel)
        box = bounding_box(before, reach + 2 * edge + 1)
        soft, bone, before = soft[box], bone[box], before[box]
        soft = soft & dilate(before, reach)
    else:
        box = slice(None), slice(None)
    rest = soft
    for cleft in CLEFTS:
        radius = _pixels(cleft, slices.pixel)
        cores = Pieces(erode(rest, radius), diagonal=False)
        large = [core for core in np.argsort(-cores.sizes)[:PIECES] if cores.sizes[core] * slices.pixel**2 >= SMALLEST]
        if not large:  # nor will wider clefts leave any
            break
        pieces = dilate(np.array([cores.paint(np.arange(cores.count) == core) for core in large]), radius) & soft
        pieces = fill_holes(close(pieces, edge) & ~bone)
        borders = dilate(pieces, edge) & ~pieces
        for piece, border in zip(pieces, borders, strict=True):
            bony = int(np.count_nonzero(border & bone)) / max(int(np.count_nonzero(border)), 1)
            if bony >= BONY or (bony >= BONY_BEFORE and _repeats(piece, before, slices.pixel)):
                result[box] |= piece
                rest = rest & ~piece
    return result


def _repeats(piece: Mask, before: Mask | None, pixel: float) -> bool:
    """Is the piece much the same as what the slice before showed, and no spinal canal?"""
    if before is None or (size := int(np.count_nonzero(piece))) * pixel**2 < CANAL:
        return False
    return int(np.count_nonzero(piece & before)) >= REPEATS * max(size, int(np.count_nonzero(before)))
