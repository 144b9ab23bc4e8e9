"""Decoded pixels that no scanner makes: what is left to look for where compressed pixels have no checksum.

Each measure is one of a slice's own, with a limit far above what whole slices of several scanners reach, so that it
finds gross damage and not every changed pixel.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

_LEAST, _LEAST_STREAK = 30.0, 2000.0
"""HU; less is no spike, however smooth its surroundings are, and no streak: thin bone and couches are as thin."""
_SPIKE, _STREAK, _SEAM, _TAIL = 2.0, 12.0, 6.0, 6.0
"""Limits; whole slices stay below 0.7 (1.3 where coarsely compressed), 7.5, 2.9 and 3."""
_CALM = 100.0
"""HU between neighbours, above which thin bone beside air can be a spike too: the limit is twice as high there."""
_BORDER = 8
"""Pixels at the end of a row; there, air is nearly all that CT shows."""
_TISSUE = (-1100.0, 2000.0)
"""HU between which rows are compared; metal and padding would outweigh all else."""


def suspicion(hu: NDArray[np.float32], row_by_row: bool = False) -> str:
    """What is wrong with the pixels of a slice, by the looks of it.

    Args:
        hu: (H, W), not yet cut off at air.
        row_by_row: whether an error runs on to the end of its row, as in JPEG lossless, which predicts a pixel from the
            one to its left.

    Returns:
        Part of a sentence with the place, rows and columns counted from 1; empty where nothing is.
    """
    if min(hu.shape) < 2 * _BORDER:
        return ""
    return _odd_pixel(hu) or _odd_row(hu) or (_odd_end_of_row(hu) if row_by_row else "")


def _odd_pixel(hu: NDArray[np.float32]) -> str:
    """A pixel, or a few in a row, beyond all their neighbours by more than these differ among themselves."""
    inner = hu[1:-1, 1:-1]
    highest, lowest = (_of_rows(hu, extreme) for extreme in (np.maximum, np.minimum))
    streak = _beyond(inner, highest, lowest, 20, _LEAST_STREAK)
    np.maximum(highest, np.maximum(hu[1:-1, :-2], hu[1:-1, 2:]), out=highest)
    np.minimum(lowest, np.minimum(hu[1:-1, :-2], hu[1:-1, 2:]), out=lowest)
    noise = float(np.percentile(np.abs(np.diff(hu[::4], axis=1)), 75))
    spike = _beyond(inner, highest, lowest, 20 + 3 * noise, _LEAST)
    spike[highest - lowest > _CALM] /= 2
    for measure, limit in ((spike, _SPIKE), (streak, _STREAK)):
        row, column = np.unravel_index(measure.argmax(), measure.shape)
        if measure[row, column] > limit:
            return f"a pixel unlike all around it at row {row + 2}, column {column + 2}"
    return ""


def _of_rows(hu: NDArray[np.float32], extreme: np.ufunc) -> NDArray[np.float32]:
    """The extreme of the three pixels above and the three below."""
    row = extreme(extreme(hu[:, :-2], hu[:, 1:-1]), hu[:, 2:])
    return extreme(row[:-2], row[2:])


def _beyond(
    inner: NDArray[np.float32],
    highest: NDArray[np.float32],
    lowest: NDArray[np.float32],
    usual: float,
    least: float,
) -> NDArray[np.float32]:
    excess = np.maximum(inner - highest, lowest - inner)
    return np.where(excess > least, excess / (highest - lowest + usual), 0).astype(np.float32)


def _odd_row(hu: NDArray[np.float32]) -> str:
    """A row that differs from the next by far more than the rows around it do."""
    steps = np.abs(np.diff(hu.clip(*_TISSUE), axis=0)).mean(axis=1)
    usual = median_filter(steps, 9)
    seam = (steps - usual) / (usual + 2)
    row = int(seam.argmax())
    return f"a seam below row {row + 1}" if seam[row] > _SEAM else ""


def _odd_end_of_row(hu: NDArray[np.float32]) -> str:
    """A row whose last pixels, and not its first, are shifted against those above and below."""
    # A couch may reach one border, where its rows differ from those on one side, or both.
    tail = _alone(hu[:, -_BORDER:])
    tail[_alone(hu[:, :_BORDER]) > tail / 4] = 0
    row = int(tail.argmax())
    return f"shifted values in row {row + 2}" if tail[row] > _TAIL else ""


def _alone(border: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each row but the first and last, its shift against both neighbours, in terms of what is usual."""
    above, below = (np.median(border[1:-1] - other, axis=1) for other in (border[:-2], border[2:]))
    shift = np.where(above * below > 0, np.minimum(np.abs(above), np.abs(below)), 0) - np.abs(above - below)
    return shift / (1.5 * np.median(np.abs(above)) + 1)
