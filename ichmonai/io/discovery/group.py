"""From the headers of a study to its series, each in order along its normal."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from itertools import pairwise

from ichmonai.io.discovery.choose import describe, score, technique
from ichmonai.io.discovery.header_checks import check_headers
from ichmonai.io.findings import Code, Finding
from ichmonai.io.grouping import SAME_PLACE, by_geometry, in_order, size_and_place, without_copies
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.limits import MAX_ACQUISITIONS
from ichmonai.io.series import Series
from ichmonai.io.slice_geometry import along_normal

REPEATED = 0.25
"""Share of slices at a place that another has already from which on two stacks are mixed, and not a few slices
repeated: such a series is refused where nothing else divides it."""


def group_series(headers: Iterable[ImageHeader]) -> list[Series]:
    """Divide the images of one study into series, each in order along its normal, with what its headers show.

    Images of one SeriesInstanceUID are divided by orientation, PixelSpacing and matrix, since localizers can share it,
    and by AcquisitionNumber only where acquisitions cover the same place, since incremental scanners number every
    slice and a long helix can have several. Slices are ordered by ImagePositionPatient along the normal, from inferior
    to superior for axial ones; neither InstanceNumber nor file names matter.

    Of copies of an image the longest file is taken, since a copy that was cut off is shorter. Of other images at one
    place the first acquired is; where many places are shown more than once, nothing says which images belong together.

    Pictures of one folder that is one study are slices in the order of their names.

    Args:
        headers: of the images of one study, in any order.

    Returns:
        Its series, those of one SeriesInstanceUID from the longest on, which has no suffix.
    """
    by_uid: dict[str, list[ImageHeader]] = defaultdict(list)
    for header in sorted(headers, key=lambda header: header.source):  # so that no other order matters
        by_uid[header.series].append(header)
    series = []
    for uid, images in by_uid.items():
        if len(images) > 1 and images[0].kind is Kind.PICTURE:
            series.append(_series(sorted(images, key=_by_name), uid, 0))
            continue
        unique = without_copies(images)
        copies = len(images) - len(unique)
        stacks = [stack for group in by_geometry(unique) for stack in _stacks(group)]
        stacks.sort(key=size_and_place)
        for number, stack in enumerate(stacks, 1):
            series.append(_series(stack, uid if number == 1 else f"{uid}#{number}", copies if number == 1 else 0))
    return series


def _by_name(header: ImageHeader) -> tuple:
    """Natural order: slice 2 is before slice 10."""
    parts = re.split(r"(\d+)", str(header.source).casefold())
    return ([int(part) if number % 2 else part for number, part in enumerate(parts)], header.source)


def _series(stack: list[ImageHeader], uid: str, copies: int) -> Series:
    slices, repeated = stack, 0
    if stack[0].kind is Kind.DICOM and stack[0].is_placed:
        places = in_order(stack)
        slices = [one for i, (place, one) in enumerate(places) if i == 0 or place - places[i - 1][0] >= SAME_PLACE]
        repeated = len(stack) - len(slices)
    findings = check_headers(slices)
    if repeated >= REPEATED * len(stack):
        sentence = (
            f"Series {uid} has {len(stack)} images at {len(slices)} places, and nothing in their headers tells stacks "
            "apart; give one image for each place."
        )
        findings.append(Finding(Code.BAD_GEOMETRY, sentence))
    elif copies or repeated:
        sentence = f"Series {uid} had copies of images, {copies + repeated} in all, which are left out."
        findings.append(Finding(Code.DUPLICATES, sentence))
    sources = tuple(one.source for one in slices)
    return Series(
        slices[0].study,
        uid,
        sources,
        tuple(findings),
        describe(slices),
        score(slices, [f.code for f in findings]),
        tuple(one.state for one in slices),
        technique(slices),
    )


def _stacks(group: list[ImageHeader]) -> list[list[ImageHeader]]:
    """Divide images of one geometry where they show the same place more than once."""
    if len(group) < 2 or not group[0].is_placed:
        return [group]
    return [part for stack in _by_acquisition(group) for part in _by_reconstruction(stack)]


def _by_acquisition(group: list[ImageHeader]) -> list[list[ImageHeader]]:
    acquisitions: dict[int | None, list[ImageHeader]] = defaultdict(list)
    for header in group:
        acquisitions[header.acquisition].append(header)
    if len(acquisitions) > MAX_ACQUISITIONS:
        return [group]
    stacks: list[tuple[list[tuple[float, float]], list[ImageHeader]]] = []
    for _, images in sorted(acquisitions.items(), key=lambda item: (item[0] is None, item[0] or 0)):
        places = along_normal(images)
        extent = (min(places), max(places))
        margin = max(image.thickness or SAME_PLACE for image in images)
        for extents, stack in stacks:
            if not any(_overlap(extent, other, margin) for other in extents):
                extents.append(extent)
                stack += images
                break
        else:
            stacks.append(([extent], list(images)))
    return [stack for _, stack in stacks]


def _overlap(one: tuple[float, float], other: tuple[float, float], margin: float) -> bool:
    """Whether two acquisitions cover the same place; the ends of parts of a helix may, up to a slice."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    shorter = min(one[1] - one[0], other[1] - other[0])
    return common > margin or (abs(common) < SAME_PLACE and shorter < SAME_PLACE)


def _by_reconstruction(stack: list[ImageHeader]) -> list[list[ImageHeader]]:
    """Divide by what else differs where so many places are shown twice that two stacks are mixed."""
    repeated = sum(b - a < SAME_PLACE for a, b in pairwise(sorted(along_normal(stack))))
    if repeated < REPEATED * len(stack):
        return [stack]
    parts: dict[Hashable, list[ImageHeader]] = defaultdict(list)
    for one in stack:
        parts[one.kernel, one.sharpness, one.contrast, one.thickness, one.image_type].append(one)
    return list(parts.values())
