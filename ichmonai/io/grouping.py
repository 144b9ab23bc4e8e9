"""Images of one series: copies, equal geometry, order along the normal; for headers and for pixels alike."""

from collections.abc import Hashable, Sequence
from itertools import islice

from ichmonai.io.formats.dicom.words import is_scout
from ichmonai.io.header import ImageHeader, Vector
from ichmonai.io.slice_geometry import along_normal

SAME_PLACE = 0.01
"""Images nearer than this along the normal, in mm, show the same slice."""
SAME_ANGLE = 1e-3
"""Difference of direction cosines up to which orientations are equal: about 0.06 degrees."""
SAME_SPACING = 1e-3
"""Difference in mm up to which pixel spacings are equal."""
MOST_GEOMETRIES = 50
"""Groups with which an image is compared: a study has a few, and damaged headers one for every image."""


def is_localizer(header: ImageHeader) -> bool:
    """Whether ImageType says so (PS3.3 C.8.2.1.1.1)."""
    return any(is_scout(value) for value in header.image_type)


def without_copies(headers: Sequence[ImageHeader]) -> list[ImageHeader]:
    """Images without copies: the same SOPInstanceUID and frame, at the same place (bad software reuses UIDs).

    Of copies the longest file is taken, since a copy that was cut off is shorter.
    """
    seen: dict[Hashable, ImageHeader] = {}
    for header in headers:
        uid = header.sop_instance_uid
        key = (uid, header.source.frame, header.position) if uid else header.source
        if key not in seen or header.size > seen[key].size:
            seen[key] = header
    return list(seen.values())


def by_geometry(headers: Sequence[ImageHeader]) -> list[list[ImageHeader]]:
    """Groups of equal orientation, PixelSpacing and matrix, localizers apart; what has no place stands alone."""
    groups = [[header] for header in headers if not header.is_placed]
    placed: list[tuple[tuple[int, int, float], list[ImageHeader]]] = []
    # In this order, images of one geometry are near each other: not every one is compared with every other.
    for key, header in sorted(((_key(one), one) for one in headers if one.is_placed), key=lambda pair: pair[0]):
        for other, group in islice(reversed(placed), MOST_GEOMETRIES):
            if key[:2] != other[:2] or key[2] - other[2] > 6 * SAME_ANGLE + 2 * SAME_SPACING:
                placed.append((key, [header]))
                break
            if _fit(group[0], header):
                group.append(header)
                break
        else:
            placed.append((key, [header]))
    return groups + [group for _, group in placed]


def size_and_place(group: Sequence[ImageHeader]) -> tuple:
    """By which groups are in order, from the largest on."""
    return (-len(group), min(one.source for one in group))


def in_order(headers: Sequence[ImageHeader]) -> list[tuple[float, ImageHeader]]:
    """Images of one orientation along their normal, axial ones from inferior to superior, with their places in mm.

    Two images at one place keep an order that does not depend on the names of their files.
    """
    places = zip(along_normal(headers), headers, strict=True)
    return sorted(((round(place, 3), one) for place, one in places), key=lambda pair: (pair[0], *_order(pair[1])))


def _order(header: ImageHeader) -> tuple:
    acquisition = header.acquisition
    return (acquisition is None, acquisition or 0, header.sop_instance_uid, header.source)


def _key(header: ImageHeader) -> tuple[int, int, float]:
    return header.rows, header.columns, sum(header.orientation or ()) + sum(header.spacing or ())


def _fit(one: ImageHeader, other: ImageHeader) -> bool:
    return (
        is_localizer(one) == is_localizer(other)
        and _near(one.orientation, other.orientation, SAME_ANGLE)
        and _near(one.spacing, other.spacing, SAME_SPACING)
    )


def _near(one: Vector | None, other: Vector | None, tolerance: float) -> bool:
    return (
        one is not None and other is not None and all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))
    )
