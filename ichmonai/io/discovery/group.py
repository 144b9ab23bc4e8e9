"""From the headers of a study to its series, each in order along its normal."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

from ichmonai.io.discovery.choose import describe, score
from ichmonai.io.discovery.header_checks import check_headers, is_localizer
from ichmonai.io.discovery.headers import ImageHeader, Kind, Vector
from ichmonai.io.discovery.slice_geometry import along_normal
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import Series

SAME_PLACE = 0.01
"""Images nearer than this along the normal, in mm, show the same slice."""
SAME_ANGLE = 1e-3
"""Difference of direction cosines up to which orientations are equal: about 0.06 degrees."""
SAME_SPACING = 1e-3
"""Difference in mm up to which pixel spacings are equal."""
REPEATED = 0.25
"""Share of slices at a place that another has already from which on two stacks are mixed, and not a few slices
repeated: such a series is refused where nothing else divides it."""

MAX_ACQUISITIONS = 1000
"""In one series; where damaged headers say that there are more, they divide nothing."""


def group_series(headers: Iterable[ImageHeader]) -> list[Series]:
    """Divide the images of one study into series, each in order along its normal, with what its headers show.

    Images of one SeriesInstanceUID are divided by orientation, PixelSpacing and matrix, since localizers can share it,
    and by AcquisitionNumber only where acquisitions cover the same place, since incremental scanners number every
    slice and a long helix can have several. Slices are ordered by ImagePositionPatient along the normal, from inferior
    to superior for axial ones; neither InstanceNumber nor file names matter.

    Of copies of an image the longest file is taken, since a copy that was cut off is shorter. Of other images at one
    place the first acquired is; where many places are shown more than once, nothing says which images belong together.

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
        unique, copies = _without_copies(images)
        stacks = [stack for group in _by_geometry(unique) for stack in _stacks(group)]
        stacks.sort(key=lambda stack: (-len(stack), min(one.source for one in stack)))
        for number, stack in enumerate(stacks, 1):
            series.append(_series(stack, uid if number == 1 else f"{uid}#{number}", copies if number == 1 else 0))
    return series


def _series(stack: list[ImageHeader], uid: str, copies: int) -> Series:
    slices, repeated = stack, 0
    if stack[0].kind is Kind.DICOM and stack[0].is_placed:
        # Two images at one place keep an order that does not depend on the names of their files.
        places = [(round(place, 3), *_order(one), one) for place, one in zip(along_normal(stack), stack, strict=True)]
        places.sort(key=lambda place: place[:-1])
        slices = [place[-1] for i, place in enumerate(places) if i == 0 or place[0] - places[i - 1][0] >= SAME_PLACE]
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
    )


def _without_copies(headers: Sequence[ImageHeader]) -> tuple[list[ImageHeader], int]:
    """Images without copies: the same SOPInstanceUID and frame, at the same place (bad software reuses UIDs)."""
    seen: dict[Hashable, ImageHeader] = {}
    for header in headers:
        uid = header.sop_instance_uid
        key = (uid, header.source.frame, header.position) if uid else header.source
        if key not in seen or header.size > seen[key].size:
            seen[key] = header
    return list(seen.values()), len(headers) - len(seen)


def _by_geometry(headers: Sequence[ImageHeader]) -> list[list[ImageHeader]]:
    groups = [[header] for header in headers if not header.is_placed]
    placed: list[tuple[tuple[int, int, float], list[ImageHeader]]] = []
    # In this order, images of one geometry are near each other: not every one is compared with every other.
    for key, header in sorted(((_key(one), one) for one in headers if one.is_placed), key=lambda pair: pair[0]):
        for other, group in reversed(placed):
            if key[:2] != other[:2] or key[2] - other[2] > 6 * SAME_ANGLE + 2 * SAME_SPACING:
                placed.append((key, [header]))
                break
            if _fit(group[0], header):
                group.append(header)
                break
        else:
            placed.append((key, [header]))
    return groups + [group for _, group in placed]


def _key(header: ImageHeader) -> tuple[int, int, float]:
    return header.rows, header.columns, sum(header.orientation or ()) + sum(header.spacing or ())


def _fit(one: ImageHeader, other: ImageHeader) -> bool:
    return (
        is_localizer(one) == is_localizer(other)
        and _near(one.orientation, other.orientation, SAME_ANGLE)
        and _near(one.spacing, other.spacing, SAME_SPACING)
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


def _order(header: ImageHeader) -> tuple:
    acquisition = header.acquisition
    return (acquisition is None, acquisition or 0, header.sop_instance_uid, header.source)


def _near(one: Vector | None, other: Vector | None, tolerance: float) -> bool:
    return (
        one is not None and other is not None and all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))
    )
