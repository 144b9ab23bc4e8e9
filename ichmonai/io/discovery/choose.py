"""The series of a study to predict on."""

import math
from collections.abc import Collection, Iterable, Sequence

from ichmonai.io.discovery.header_checks import head_evidence, is_derived
from ichmonai.io.findings import Code, Finding, refusing
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import Rejection, Series, Technique
from ichmonai.io.slice_geometry import coverage, slice_count, slice_distance

THICKNESS = 5.0
"""Slice thickness in mm of the papers' images and of most reports of head CT."""
BRAIN_HEIGHT = 130.0
"""Extent of the brain from base to vertex in mm: covering more is no better."""
_AGAINST = {
    **dict.fromkeys((Code.CONTRAST, Code.NOT_HEAD, Code.NOT_AXIAL), 6.0),
    **dict.fromkeys((Code.DERIVED, Code.BURNED_IN), 4.0),
    **dict.fromkeys((Code.TOO_LARGE, Code.TOO_FEW_SLICES), 2.0),
    Code.MISSING_SLICES: 1.0,
    Code.VARYING_SPACING: 0.25,
}


def choose_series(
    series: Sequence[Series], every: bool = False, accept: Iterable[Code] = ()
) -> tuple[list[Series], list[Rejection]]:
    """Take the series of one study that suits best, or every one.

    The best is the one with the highest `score` among those that nothing refuses. Where each is refused, the best of
    them is handed back all the same, for its reason to be told.

    Args:
        series: of one study.
        every: take them all.
        accept: codes that refuse no series.

    Returns:
        The series taken, and a rejection for each other one: with its own reason, or else `NOT_SELECTED`.
    """
    if every or len(series) < 2:
        return list(series), []
    accept = frozenset(accept)
    refused = {one.series: refusing(one.findings, accept) for one in series}
    best = min(series, key=lambda one: (refused[one.series] is not None, -one.score, -len(one.images), one.series))
    advice = f"series {best.series} of this study suits better; use --all-series to take both"
    rejections = [
        Rejection(
            one.study,
            one.series,
            str(one.images[0]),
            refused[one.series] or Finding(Code.NOT_SELECTED, f"Series {one.series} was not taken: {advice}."),
        )
        for one in series
        if one is not best
    ]
    return [best], rejections


def score(slices: Sequence[ImageHeader], findings: Collection[Code] = ()) -> float:
    """How well a series suits as the head CT of its study, in points; only comparisons within a study mean anything.

    - Up to 3 for covering the brain (`BRAIN_HEIGHT`).
    - 2 for a kernel for the brain or soft tissue, -3 for one for bone.
    - 2 where the headers say that it shows the head.
    - Up to 2 for a thickness near `THICKNESS`: 1 point less for each doubling or halving.
    - 1 for original images, which nothing was computed from.
    - Up to 0.5 for the number of slices, so that the longer of two equal series is taken.
    - Less what was found: 6 for contrast medium, another part of the body or another plane, and less for lesser faults.

    Args:
        slices: headers of the series, in order.
        findings: codes found for it.
    """
    first = slices[0]
    thickness = technique(slices).thickness
    points = 3 * min(coverage(slices) / BRAIN_HEIGHT, 1)
    points += {-1: 2, 0: 0, 1: -3}[first.sharpness]
    points += 2 * (head_evidence(slices) == "head")
    points += max(2 - abs(math.log2(thickness / THICKNESS)), -2) if thickness else 0
    points += not is_derived(first)
    points += 0.5 * min(slice_count(slices) / 400, 1)
    return points - sum(_AGAINST.get(code, 0) for code in set(findings))


def describe(slices: Sequence[ImageHeader]) -> str:
    """One line for a listing: scanner, kernel, slices, matrix and spacing."""
    first = slices[0]
    parts = [" ".join(filter(None, (first.manufacturer, first.model)))]
    parts.append(f"kernel {first.kernel}" if first.kernel else "")
    parts.append(f"{slice_count(slices)} x {first.rows} x {first.columns}")
    if first.spacing:
        distance = slice_distance(slices) or first.thickness
        steps = [*([distance] if distance else []), *first.spacing]
        parts.append(" x ".join(f"{step:.3g}" for step in steps) + " mm")
    return ", ".join(filter(None, parts))


def technique(slices: Sequence[ImageHeader]) -> Technique:
    """How a series was scanned, as its first header says."""
    first = slices[0]
    thickness = first.thickness or slice_distance(slices)
    return Technique(first.manufacturer, first.model, first.kernel, first.kvp, thickness)
