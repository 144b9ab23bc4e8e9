"""Slices of a series compared with those beside them: borders that are in one alone, and that no scanner draws.

What a disk or a network damages is a run of bytes, and so a run of pixels in rows: it ends at a sharp straight border,
which goes on over many columns. Scanners blur every border over two rows or more, of thin bone too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

_SEGMENT = 32
"""Columns over which borders are averaged: 15 mm."""
_LEAST = 20.0
"""HU that are added to what is usual: noise."""
_LIMIT = 6.0
"""Times what is usual; real slices stay below 0.6, those cut to 80 HU below 4.1, streaks of drawn metal below 4."""
_USUAL, _BESIDE = 9, 17
"""Rows around, in the same slice and in those beside it: a tilted gantry moves a border by some rows a slice."""
_RANGE = (-1024.0, 2000.0)
"""HU that are compared; a few pixels of more would outweigh all else."""
_METAL, _NEAR_METAL = 2500.0, 5
"""HU above which images are cut off, and a blurred border is sharp after all; and the rows of which it is one."""


class Steps(NamedTuple):
    """How far apart the rows of a slice are, segment by segment.

    Attributes:
        one: mean difference in HU of each row from the next, (H - 1, segments).
        two: and from the one after it, (H - 2, segments).
        metal: whether a pixel of a row, or of a row near it, is of metal, (H, segments).
    """

    one: NDArray[np.float32]
    two: NDArray[np.float32]
    metal: NDArray[np.bool_]


def row_steps(hu: NDArray[np.float32]) -> Steps:
    """Compare each row of a slice with the next.

    Args:
        hu: (H, W).
    """
    count = hu.shape[1] // _SEGMENT
    hu = hu[:, : count * _SEGMENT]
    metal = np.zeros((len(hu), count), bool)
    if hu.size and hu.max() > _METAL:
        metal = maximum_filter1d((hu > _METAL).reshape(len(hu), count, _SEGMENT).any(axis=2), _NEAR_METAL, axis=0)
    rows = hu.clip(*_RANGE)
    share = np.full(_SEGMENT, 1 / _SEGMENT, np.float32)

    def apart(by: int) -> NDArray[np.float32]:
        difference = np.abs(rows[by:] - rows[:-by])
        return difference.reshape(len(difference), count, _SEGMENT) @ share  # a sum over few is slow

    return Steps(apart(1), apart(2), metal)


def odd_rows(slices: Sequence[Steps]) -> list[int]:
    """Find borders of damage: a step from a row to the next, or a row alone, sharp, and not in the slices beside.

    Args:
        slices: the `row_steps` of each slice of a series, in order.

    Returns:
        For each slice the row of the most suspect border, counted from 1, or 0 where there is none, or nothing to
        compare with.
    """
    first = slices[0].one.shape
    if len(slices) < 2 or first[0] < _BESIDE or first[1] == 0:
        return [0] * len(slices)
    wide = [maximum_filter1d(maximum_filter1d(one, _BESIDE, axis=0), 3, axis=1) for one, _, _ in slices]
    found = []
    for index, steps in enumerate(slices):
        usual = np.maximum.reduce(wide[max(index - 1, 0) : index] + wide[index + 1 : index + 2])
        measure, row = _oddest(steps, usual)
        if measure > _LIMIT:  # the rest takes longer
            measure, row = _oddest(steps, np.maximum(usual, median_filter(steps.one, (_USUAL, 1))))
        found.append(row if measure > _LIMIT else 0)
    return found


def _oddest(steps: Steps, usual: NDArray[np.float32]) -> tuple[float, int]:
    """The most suspect border by its measure, and its row, counted from 1."""
    one, two, metal = steps
    # Next to a step, rows are as usual; next to a row alone too, and those around it are alike.
    step = _beyond(one[1:-1], usual[1:-1], one[:-2], one[2:])
    alone = np.minimum(one[1:-2], one[2:-1])
    line = _beyond(alone, np.maximum(usual[1:-2], usual[2:-1]), one[:-3], one[3:], two[1:-1])
    step[metal[1:-2]] = line[metal[2:-2]] = 0
    return max((float(one.max()), int(one.argmax()) // one.shape[1] + 2) for one in (step, line))


def _beyond(found: NDArray[np.float32], *usual: NDArray[np.float32]) -> NDArray[np.float32]:
    most = np.maximum.reduce(usual)
    return (found - most) / (most + np.float32(_LEAST))
