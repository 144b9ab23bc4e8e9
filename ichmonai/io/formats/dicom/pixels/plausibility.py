"""Decoded pixels that no scanner makes: what is left to look for where compressed pixels have no checksum.

Each measure is one of a slice's own, with a limit far above what whole slices of several scanners reach, so that it
finds gross damage and not every changed pixel.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

_LEAST, _LEAST_STREAK = 30.0, 2000.0
"""HU; less is no spike, however smooth its surroundings are, and no streak: thin bone and couches are as thin."""
_SPIKE, _STREAK, _SEAM, _TAIL = 2.0, 12.0, 6.0, 6.0
"""Limits; whole slices stay below 0.7 (1.3 where coarsely compressed), 7.5, 2.9 and 3."""
_CALM = 100.0
"""HU between neighbours, above which thin bone beside air can be a spike too: the limit is twice as high there."""
_CUT_OFF = -500.0
"""HU above which an image has no air: it was cut to a window, which leaves single pixels and sharp borders."""
_NOISE, _RUN = 8000.0, 32
"""Mean difference in HU from pixel to pixel over so many columns; metal of 30,000 HU would have to have eight edges."""
_BORDER = 8
"""Pixels at the end of a row; there, air is nearly all that CT shows."""
_TISSUE = (-1100.0, 2000.0)
"""HU between which rows are compared; padding would outweigh all else."""
_METAL, _NEAR_METAL = 2000.0, 9
"""HU from which a pixel is of metal, and rows over which its border is blurred: they are not compared."""


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
    if hu.min() > _CUT_OFF:
        return _noise(hu)
    return _odd_pixel(hu) or _noise(hu) or _odd_row(hu) or (_odd_end_of_row(hu) if row_by_row else "")


def _odd_pixel(hu: NDArray[np.float32]) -> str:
    """A pixel, or a few in a row, beyond all their neighbours by more than these differ among themselves."""
    inner, above, below = hu[1:-1, 1:-1], hu[:-2, 1:-1], hu[2:, 1:-1]
    beyond = np.maximum(inner - np.maximum(above, below), np.minimum(above, below) - inner) > _LEAST
    rows, columns = np.divmod(np.flatnonzero(beyond), beyond.shape[1])  # few: the others are not looked at closer
    if not rows.size:
        return ""
    around = np.stack([hu[rows + 1 + down, columns + 1 + right] for down in (-1, 1) for right in (-1, 0, 1)])
    pixels = hu[rows + 1, columns + 1]
    streak = _beyond(pixels, around.max(axis=0), around.min(axis=0), 20, _LEAST_STREAK)
    around = np.concatenate([around, [hu[rows + 1, columns], hu[rows + 1, columns + 2]]])
    highest, lowest = around.max(axis=0), around.min(axis=0)
    spike = _beyond(pixels, highest, lowest, 20, _LEAST)
    if spike.max() > _SPIKE:
        noise = float(np.percentile(np.abs(np.diff(hu[::4], axis=1)), 75))
        spike = _beyond(pixels, highest, lowest, 20 + 3 * noise, _LEAST)
    spike[highest - lowest > _CALM] /= 2
    for measure, limit in ((spike, _SPIKE), (streak, _STREAK)):
        most = int(measure.argmax())
        if measure[most] > limit:
            return f"a pixel unlike all around it at row {rows[most] + 2}, column {columns[most] + 2}"
    return ""


def _beyond(
    pixels: NDArray[np.float32],
    highest: NDArray[np.float32],
    lowest: NDArray[np.float32],
    usual: float,
    least: float,
) -> NDArray[np.float32]:
    excess = np.maximum(pixels - highest, lowest - pixels)
    return np.where(excess > least, excess / (highest - lowest + usual), 0).astype(np.float32)


def _noise(hu: NDArray[np.float32]) -> str:
    """A part of a row that is of bytes of something else."""
    if hu.max() - hu.min() < _NOISE or hu.shape[1] <= _RUN:
        return ""
    count = (hu.shape[1] - 1) // _RUN
    difference = np.abs(np.diff(hu[:, : count * _RUN + 1], axis=1))
    noise = difference.reshape(len(hu), count, _RUN).mean(axis=2).max(axis=1)
    row = int(noise.argmax())
    return f"noise in row {row + 1}" if noise[row] > _NOISE else ""


def _odd_row(hu: NDArray[np.float32]) -> str:
    """A row that differs from the next by far more than the rows around it do."""
    difference = np.abs(np.diff(hu.clip(*_TISSUE), axis=0))
    metal = hu > _METAL
    if metal.any():
        metal = maximum_filter1d(metal, _NEAR_METAL, axis=0)
        difference[metal[:-1] | metal[1:]] = 0
    steps = difference.mean(axis=1)
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
