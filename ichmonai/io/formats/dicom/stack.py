"""CT slices of one series to a volume."""

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.format import Voxels
from ichmonai.io.formats.dicom.pixels.neighbours import odd_rows, row_steps
from ichmonai.io.formats.dicom.slices import CTSlice, damaged_pixels, read_slices
from ichmonai.io.grouping import by_geometry, in_order, size_and_place, without_copies
from ichmonai.io.header import GEOMETRY, ImageHeader
from ichmonai.io.limits import check_size
from ichmonai.io.orientation import empty_volume
from ichmonai.io.series import ImageSource
from ichmonai.io.slice_geometry import normal

logger = logging.getLogger(__name__)


def read_image(source: ImageSource) -> Voxels:
    """Read one image or frame as a slice, which stands as it is where it has no geometry; several frames as a volume.

    Raises:
        HeadCTReadError: as `read_slices` and `stack_slices`.
    """
    images = list(read_slices(source, None if source.frame < 0 else [source.frame]))
    if len(images) > 1:
        return stack_slices(images)
    if not images[0].header.is_placed:
        return _voxels(images[0].hu, None, None, images, images[0].findings)
    volume = stack_slices(images)
    return volume._replace(hu=volume.hu[..., 0])


def read_series(sources: Sequence[ImageSource]) -> Voxels:
    """Read file by file, the frames of one file in one go; their order in space is found afterwards.

    Raises:
        HeadCTReadError: as `read_slices` and `stack_slices`.
    """
    images: list[CTSlice] = []
    pixels = 0
    for (path, member), group in groupby(sorted(sources), key=lambda one: (one.path, one.member)):
        frames = [one.frame for one in group]
        for image in read_slices(ImageSource(path, member), None if min(frames) < 0 else frames):
            images.append(image)
            pixels += image.stored.size
            rows, columns = image.stored.shape
            check_size(str(sources[0]), rows, columns, -(-pixels // (rows * columns)))
    return stack_slices(images)


def stack_slices(images: Sequence[CTSlice]) -> Voxels:
    """Stack an axial CT series, ordered by ImagePositionPatient along the slice normal (PS3.3 C.7.6.2).

    InstanceNumber and file names are not used. Where images of another geometry share the series (a localizer, say),
    the largest group of equal orientation, spacing and matrix is taken and the rest is logged; copies of an image are
    left out. Slices may be unevenly spaced; the affine, sheared where the gantry was tilted, then has their mean
    distance.

    The stored values of the images are released.

    Args:
        images: one or more images of one series.

    Raises:
        HeadCTReadError: `BAD_GEOMETRY` where an image has no position or all have the same, `NOT_AXIAL`, and
            `UNREADABLE` where the images are of several series.
    """
    folder = ImageSource(str(Path(images[0].header.source.path).parent))
    for image in images:
        if not image.header.is_placed:
            raise HeadCTReadError(
                f"{image.header.source} lacks one of {', '.join(GEOMETRY.values())}; without them it cannot be placed "
                "in the head.",
                Code.BAD_GEOMETRY,
            )
    if (series := len({image.header.series for image in images})) > 1:
        raise HeadCTReadError(f"{folder} holds {series} series; give the files of one of them.")
    by_source = {image.header.source: image for image in images}
    unique = without_copies([image.header for image in images])
    group = min(by_geometry(unique), key=size_and_place)
    if others := len(unique) - len(group):
        logger.warning("%s: %d images of another geometry were left out of the series.", folder, others)

    places = in_order(group)
    slices = [by_source[one.source] for _, one in places]
    as_acquired = np.diag([-1.0, -1.0, 1.0, 1.0]) @ _lps(places, folder)
    # The last axis stays the last and ascending, since the series is axial.
    hu, acquired, affine = empty_volume((*slices[0].stored.shape, len(slices)), as_acquired)
    steps = []
    for index, one in enumerate(slices):
        acquired[:, :, index] = one.rescale(one.stored)
        steps.append(row_steps(acquired[:, :, index]))
    for one, row in zip(slices, odd_rows(steps), strict=True):
        if row and not any(finding.code is Code.DAMAGED_PIXELS for finding in one.findings):
            one.findings.append(damaged_pixels(one.header.source, f"a border at row {row} that the slices beside lack"))
    findings = _summary([by_source[one.source] for one in unique])
    if copies := len(images) - len(unique):
        findings.append(Finding(Code.DUPLICATES, f"{folder} holds {copies} copies of images, which were left out."))
    for one in images:
        one.stored = one.stored[:0]
    # Columns first, as ITK and NIfTI have them.
    original_affine = as_acquired[:, [1, 0, 2, 3]]
    return _voxels(hu, affine, original_affine, slices, findings, [place for place, _ in places])


def _lps(places: Sequence[tuple[float, ImageHeader]], folder: ImageSource) -> NDArray[np.float64]:
    """The affine from (row, column, slice) to mm in LPS."""
    (lowest, first), (highest, last) = places[0], places[-1]
    orientation, spacing = np.array(first.orientation), np.array(first.spacing)
    across = np.array(normal(tuple(orientation)))
    if np.abs(across).argmax() != 2:
        raise HeadCTReadError(f"The series in {folder} is not axial; give an axial head series.", Code.NOT_AXIAL)
    if len(places) > 1 and highest - lowest < 1e-3:
        raise HeadCTReadError(
            f"All slices in {folder} have the same ImagePositionPatient; give one axial series.", Code.BAD_GEOMETRY
        )
    lps = np.eye(4)
    # The row index runs along the column direction, and the other way round (PS3.3 C.7.6.2.1.1).
    lps[:3, 0] = orientation[3:] * spacing[0]
    lps[:3, 1] = orientation[:3] * spacing[1]
    lps[:3, 2] = across * _thickness(first)
    if len(places) > 1:
        lps[:3, 2] = (np.array(last.position) - np.array(first.position)) / (len(places) - 1)
    lps[:3, 3] = first.position
    return lps


def _thickness(header: ImageHeader) -> float:
    return header.thickness or 1.0


def _voxels(
    hu: NDArray[np.float32],
    affine: NDArray[np.float64] | None,
    original_affine: NDArray[np.float64] | None,
    slices: Sequence[CTSlice],
    findings: Sequence[Finding],
    places: Sequence[float] = (),
) -> Voxels:
    headers = [one.header for one in slices]
    frames = [one.source.frame + 1 for one in headers]
    return Voxels(
        hu,
        affine,
        original_affine,
        findings,
        [one.sop_instance_uid for one in headers],
        _thickness(headers[0]),
        frames if any(frames) else (),
        places,
    )


def _summary(images: Sequence[CTSlice]) -> list[Finding]:
    """One finding for each code, with the number of images that have it."""
    counts = Counter(finding.code for image in images for finding in image.findings)
    first = {finding.code: finding for image in reversed(images) for finding in image.findings}
    return [
        Finding(code, finding.sentence if len(images) == 1 else f"{finding.sentence} ({counts[code]} of the series.)")
        for code, finding in first.items()
    ]
