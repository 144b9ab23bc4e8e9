"""Morphology of binary images, several times faster than the general filters of scipy and skimage.

All of it takes one image (H, W) or a stack of images (S, H, W) that have nothing to do with each other; a stack costs
far less than its images one by one: eight images are the bits of one image of bytes, which is seen as one row, so that
moving it is reading it from another place.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_Bits = NDArray[np.uint8]  # up to eight masks: bit k of each byte is mask k

_WORDS: dict[int, type[np.unsignedinteger]] = {2: np.uint16, 4: np.uint32, 8: np.uint64}  # so many pixels in a row

# (rows down, columns right) between neighbours of a run; each but the first and last also runs to the left.
_DIRECTIONS = ((0, 1), (1, 3), (1, 2), (2, 3), (1, 1), (3, 2), (2, 1), (3, 1), (1, 0))


def dilate(mask: Mask, radius: int) -> Mask:
    """Dilate by a square of side 2 * radius + 1."""
    return dilate_by_boxes(mask, [(radius, radius)])


def erode(mask: Mask, radius: int) -> Mask:
    """Erode by a square of side 2 * radius + 1; what lies outside the image does not erode."""

    def eroded(bits: _Bits) -> _Bits:
        return _square(_around(bits, radius, radius, 255), np.bitwise_and, radius)[: bits.shape[0], : bits.shape[1]]

    return _by_eights(mask, eroded)


def close(mask: Mask, radius: int) -> Mask:
    """Dilate and then erode by a square of side 2 * radius + 1, as if the image went on beyond its edges."""

    def closed(bits: _Bits) -> _Bits:
        grown = _square(_around(bits, 2 * radius, 2 * radius), np.bitwise_or, radius)
        return _square(grown, np.bitwise_and, radius)[: bits.shape[0], : bits.shape[1]]

    return _by_eights(mask, closed)


def dilate_by_boxes(mask: Mask, boxes: list[tuple[int, int]]) -> Mask:
    """Dilate by a union of centred rectangles.

    Args:
        mask: (H, W) or (S, H, W).
        boxes: (half height, half width) of each rectangle in pixels; it is 2 * half + 1 long.

    Returns:
        Mask of the same shape.
    """
    height, width = (max(halves) for halves in zip(*boxes, strict=True))

    def dilated(bits: _Bits) -> _Bits:
        rows, columns = bits.shape
        around = _around(bits, height, width)
        result = np.zeros_like(bits)
        for half_height, half_width in boxes:
            # It grows to lower indices only: all boxes share the centre where they are read from.
            grown = _box(around, np.bitwise_or, half_height, half_width)
            top, left = height - half_height, width - half_width
            result |= grown[top : top + rows, left : left + columns]
        return result

    return _by_eights(mask, dilated)


def straight_runs(mask: Mask, length: int) -> Mask:
    """Pixels that lie on a straight run of this many pixels within the mask, in any of sixteen directions."""
    result = np.zeros_like(mask)
    if not mask.any():
        return result
    box = (..., *bounding_box(mask if mask.ndim == 2 else np.logical_or.reduce(mask)))

    def runs(bits: _Bits) -> _Bits:
        rows, columns = bits.shape
        flat = np.zeros((rows, columns + length), np.uint8)  # the margin ends runs that leave the image
        flat[:, :columns] = bits
        flat, found = flat.ravel(), np.zeros(flat.size, np.uint8)
        for down, right in _DIRECTIONS:
            count = int(np.ceil(length / np.hypot(down, right)))
            for shift in {down * (columns + length) + right, abs(down * (columns + length) - right)}:
                if (count - 1) * shift >= flat.size:
                    continue
                if (start := _moved(flat, np.bitwise_and, shift, count, beyond=0)).view(bool).any():
                    found |= _moved(start, np.bitwise_or, -shift, count)
        return found.reshape(rows, -1)[:, :columns]

    result[box] = _by_eights(mask[box], runs)
    return result


def bounding_box(mask: Mask, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns that hold a mask which is not empty, and a margin where the image goes on."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _by_eights(mask: Mask, operation: Callable[[_Bits], _Bits]) -> Mask:
    """Do something to a mask, or to each eight of a stack at once."""
    if mask.ndim == 2:
        return (operation(np.ascontiguousarray(mask).view(np.uint8)) & 1).view(bool)
    result = np.empty(mask.shape, bool)
    for first in range(0, len(mask), 8):
        eight = np.ascontiguousarray(mask[first : first + 8]).view(np.uint8)
        bits = eight[-1].copy()
        for one in eight[-2::-1]:
            bits += bits
            bits |= one
        bits = operation(bits)
        for index in range(len(eight)):
            np.not_equal(bits & (1 << index), 0, out=result[first + index])
    return result


def _around(bits: _Bits, rows: int, columns: int, value: int = 0) -> _Bits:
    """The image with a margin of so many rows and columns on each side."""
    shape = bits.shape[0] + 2 * rows, bits.shape[1] + 2 * columns
    result = np.full(shape, value, np.uint8) if value else np.zeros(shape, np.uint8)
    result[rows : rows + bits.shape[0], columns : columns + bits.shape[1]] = bits
    return result


def _square(bits: _Bits, join: np.ufunc, radius: int) -> _Bits:
    return _box(bits, join, radius, radius)


def _box(bits: _Bits, join: np.ufunc, half_height: int, half_width: int) -> _Bits:
    """Join each pixel with those to the right and below it; rows go on in the next, which a margin has to bear."""
    along = _moved(bits.ravel(), join, 1, 2 * half_width + 1)
    return _moved(along, join, bits.shape[1], 2 * half_height + 1).reshape(bits.shape)


def _moved(flat: _Bits, join: np.ufunc, shift: int, count: int, beyond: int | None = None) -> _Bits:
    """Join a row with itself moved to lower indices by 0, 1, ... count - 1 times the shift (to higher if negative).

    Beyond the end of the row is a value; None stands for one that changes nothing.
    """
    reach = 1
    while reach < count:  # by doubling: a run of n is two overlapping runs of n / 2 or more
        step = min(reach, count - reach)
        result, by = np.empty_like(flat), step * shift
        rest = slice(-by, None) if by > 0 else slice(-by)
        if by > 0:
            join(flat[:-by], flat[by:], out=result[:-by])
        else:
            join(flat[:by], flat[-by:], out=result[-by:])
        result[rest] = flat[rest] if beyond is None else beyond
        flat, reach = result, reach + step
        if beyond == 0 and reach > 4 and not flat.view(bool).any():
            break
    return flat


def interleaved(volume: np.ndarray) -> bool:
    """Do the slices of a volume (H, W, S) lie in memory pixel beside pixel, so that each alone is read in leaps?"""
    rows, columns, slices = map(abs, volume.strides)
    return volume.shape[2] > 1 and slices < min(rows, columns)


def shrink(mask: Mask, step: int) -> Mask:
    """Is any pixel of each step x step block of an image set?"""
    if any(side % step for side in mask.shape):
        mask = np.pad(mask, [(0, -side % step) for side in mask.shape])
    rows = np.ascontiguousarray(reduce(np.logical_or, [mask[offset::step] for offset in range(step)]))
    if word := _WORDS.get(step):
        return rows.view(word) != 0
    return reduce(np.logical_or, [rows[:, offset::step] for offset in range(step)])


def enlarge(masks: Mask, step: int) -> Mask:
    """Each pixel as a block of step x step."""
    if word := _WORDS.get(step):
        wide = (masks.astype(word) * word(sum(256**byte for byte in range(step)))).view(bool)
    else:
        wide = masks.repeat(step, axis=-1)
    return wide.repeat(step, axis=-2)
