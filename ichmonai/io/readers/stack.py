"""CT slices of one series to a volume."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.readers.dicom import GEOMETRY, CTSlice
from ichmonai.io.readers.geometry import empty_volume
from ichmonai.io.series import ImageSource

logger = logging.getLogger(__name__)


@dataclass
class Stack:
    """A series as one volume.

    Attributes:
        hu: float32 (H, W, S), H to posterior, W to the patient's left, S to superior.
        affine: 4x4 from index to RAS+ millimetres, sheared where the gantry was tilted.
        slices: the images in the order of S, without their stored values.
        findings: about them, one for each code.
    """

    hu: NDArray[np.float32]
    affine: NDArray[np.float64]
    slices: list[CTSlice]
    findings: list[Finding]


def stack_slices(images: Sequence[CTSlice]) -> Stack:
    """Stack an axial CT series, ordered by ImagePositionPatient along the slice normal (PS3.3 C.7.6.2).

    InstanceNumber and file names are not used. Where images of another geometry share the series (a localizer, say),
    the largest group of equal orientation, spacing and matrix is taken and the rest is logged; copies of an image are
    left out. Slices may be unevenly spaced; the affine then has their mean distance.

    The stored values of the images are released.

    Args:
        images: one or more images of one series.

    Raises:
        HeadCTReadError: `BAD_GEOMETRY` where an image has no position or all have the same, `NOT_AXIAL`, and
            `UNREADABLE` where the images are of several series.
    """
    folder = ImageSource(str(Path(images[0].source.path).parent))
    for image in images:
        if not image.is_placed:
            raise HeadCTReadError(
                f"{image.source} lacks one of {', '.join(GEOMETRY)}; without them it cannot be placed in the head.",
                Code.BAD_GEOMETRY,
            )
    series = {image.series for image in images}
    if len(series) > 1:
        raise HeadCTReadError(f"{folder} holds {len(series)} series; give the files of one of them.")
    # Bad software gives several images one UID: a copy also lies at the same place.
    unique = list({(image.uid, image.source.frame, *image.position): image for image in images}.values())
    findings = _summary(unique)
    if copies := len(images) - len(unique):
        findings.append(Finding(Code.DUPLICATES, f"{folder} holds {copies} copies of images, which were left out."))
    slices = _largest_group(unique)
    if others := len(unique) - len(slices):
        logger.warning("%s: %d images of another geometry were left out of the series.", folder, others)

    normal = _axial_normal(slices[0], folder)
    # Two images at one place keep an order that does not depend on the names of their files.
    slices.sort(key=lambda one: (round(float(one.position @ normal), 3), one.uid, one.source.frame))
    first, last = slices[0], slices[-1]
    if len(slices) > 1 and (last.position - first.position) @ normal < 1e-3:
        raise HeadCTReadError(
            f"All slices in {folder} have the same ImagePositionPatient; give one axial series.", Code.BAD_GEOMETRY
        )
    lps = np.eye(4)
    # The row index runs along the column direction, and the other way round (PS3.3 C.7.6.2.1.1).
    lps[:3, 0] = first.orientation[3:] * first.spacing[0]
    lps[:3, 1] = first.orientation[:3] * first.spacing[1]
    lps[:3, 2] = normal * first.thickness
    if len(slices) > 1:
        lps[:3, 2] = (last.position - first.position) / (len(slices) - 1)
    lps[:3, 3] = first.position
    # The last axis stays the last and ascending, since the series is axial.
    hu, acquired, affine = empty_volume((*first.stored.shape, len(slices)), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)
    for index, one in enumerate(slices):
        acquired[:, :, index] = one.rescale(one.stored)
    for one in images:
        one.stored = one.stored[:0]
    return Stack(hu, affine, slices, findings)


def _axial_normal(image: CTSlice, folder: ImageSource) -> NDArray[np.float64]:
    normal = np.cross(image.orientation[:3], image.orientation[3:])
    if np.abs(normal).argmax() != 2:
        raise HeadCTReadError(f"The series in {folder} is not axial; give an axial head series.", Code.NOT_AXIAL)
    return normal * np.sign(normal[2]) / np.linalg.norm(normal)


def _summary(images: Sequence[CTSlice]) -> list[Finding]:
    """One finding for each code, with the number of images that have it."""
    counts = Counter(finding.code for image in images for finding in image.findings)
    first = {finding.code: finding for image in reversed(images) for finding in image.findings}
    return [
        Finding(code, finding.sentence if len(images) == 1 else f"{finding.sentence} ({counts[code]} of the series.)")
        for code, finding in first.items()
    ]


def _largest_group(slices: Sequence[CTSlice]) -> list[CTSlice]:
    groups: list[list[CTSlice]] = []
    for one in slices:
        group = next((group for group in groups if one.fits(group[0])), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return max(groups, key=len)
