"""Where the slices of a series lie."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise

from ichmonai.io.header import ImageHeader, Vector

Slices = Sequence[ImageHeader]


def slice_count(slices: Slices) -> int:
    """Number of slices of a series or volume."""
    return sum(one.slices for one in slices)


def distances(slices: Slices) -> list[float]:
    """Distances between the positions of neighbouring slices in mm: along the table where the gantry is tilted.

    None of a volume, whose slices all are `slice_distance` apart: a list of them would be as long as its header says.
    """
    positions = [one.position for one in slices if one.position]
    return [math.dist(one, other) for one, other in pairwise(positions)]


def slice_distance(slices: Slices) -> float:
    """Median of the distances, 0 where there is none."""
    if step := slices[0].slice_step:
        return math.hypot(*step) if slices[0].slices > 1 else 0.0
    return statistics.median(found) if (found := distances(slices)) else 0.0


def coverage(slices: Slices) -> float:
    """Extent in mm of the slices along the patient, with half a slice at either end."""
    step = slices[0].slice_step
    between = math.hypot(*step) * (slices[0].slices - 1) if step else sum(distances(slices))
    return between + (slices[0].thickness or slice_distance(slices))


def gaps(slices: Slices) -> list[tuple[int, int]]:
    """Index of the slice before each gap and how many slices are missing in it.

    A gap is a multiple of the most common distance that the slices' thickness does not fill. Where three in a row are
    alike, the protocol wants them so.
    """
    found = distances(slices)
    if len(found) < 3:
        return []
    usual = Counter(round(value, 2) for value in sorted(found)).most_common(1)[0][0]
    missing, start = [], 0
    for multiple, run in groupby(max(round(value / usual), 1) if usual else 1 for value in found):
        length = len(list(run))
        for index in range(start, start + length):
            covered = max(slices[index].thickness or usual, slices[index + 1].thickness or usual)
            exact = abs(found[index] - multiple * usual) <= 0.1 * usual
            if multiple > 1 and exact and length < 3 and found[index] > 1.5 * covered:
                missing.append((index, multiple - 1))
        start += length
    return missing


def shear(slices: Slices) -> float:
    """Degrees between the normal of the slices and the line that they are stacked along: how far the gantry tilts."""
    orientation, along = slices[0].orientation, slices[0].slice_step
    positions = [one.position for one in slices if one.position]
    if along is None and len(positions) > 1:
        along = tuple(b - a for a, b in zip(positions[0], positions[-1], strict=True))
    return angle(along, normal(orientation)) if orientation and along and any(along) else 0.0


def normal(orientation: Vector) -> Vector:
    """Unit vector across slices with ImageOrientationPatient (6,); of axial ones to superior."""
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    cross = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*cross) * math.copysign(1, max(cross, key=abs))
    return tuple(value / length for value in cross)


def along_normal(slices: Slices) -> list[float]:
    """Places of slices of one orientation along their normal, in mm; axial ones ascend from inferior to superior."""
    across = normal(slices[0].orientation or (1, 0, 0, 0, 1, 0))
    return [sum(a * b for a, b in zip(one.position, across, strict=True)) for one in slices if one.position]


def angle(one: Vector, other: Vector) -> float:
    """Degrees between two lines."""
    cosine = abs(sum(a * b for a, b in zip(one, other, strict=True))) / (math.hypot(*one) * math.hypot(*other))
    return math.degrees(math.acos(min(cosine, 1.0)))
