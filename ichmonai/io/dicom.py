"""DICOM CT slices and series to HU."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ichmonai.errors import first_line
from ichmonai.io.findings import HeadCTReadError

logger = logging.getLogger(__name__)

AIR_HU = -1024.0
"""The lowest HU that is kept: scanners mark pixels outside their field of view with values far below air."""

_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass
class CTSlice:
    """One CT Image.

    Attributes:
        path: its file.
        hu: float32 (Rows, Columns).
        uid: SOPInstanceUID.
        series: SeriesInstanceUID.
        position: ImagePositionPatient in mm, (3,); nan, as the next two, where the geometry is not given.
        orientation: ImageOrientationPatient: direction cosines of a row and of a column, (6,).
        spacing: PixelSpacing in mm, (2,): between rows, between columns.
        thickness: SliceThickness in mm, 1 where it is not given.
    """

    path: Path
    hu: NDArray[np.float32]
    uid: str
    series: str
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: NDArray[np.float64]
    thickness: float

    @property
    def is_placed(self) -> bool:
        """Whether its geometry is known."""
        return bool(np.isfinite(self.position).all())

    def fits(self, other: "CTSlice") -> bool:
        """Whether both have one matrix, orientation (to 0.001, about 0.06 degrees) and spacing (to 0.001 mm)."""
        return (
            self.hu.shape == other.hu.shape
            and np.allclose(self.orientation, other.orientation, rtol=0, atol=1e-3)
            and np.allclose(self.spacing, other.spacing, rtol=0, atol=1e-3)
        )


def read_slice(path: Path) -> CTSlice:
    """Read one CT Image and convert its stored values to HU (PS3.3 C.11.1.1.2); padding becomes air (C.7.5.1.1.2).

    Args:
        path: a DICOM file with one frame.

    Raises:
        HeadCTReadError: when the file is not DICOM, not CT, has no pixels that can be decoded, or does not say how its
            values become HU.
    """
    try:
        dataset = pydicom.dcmread(path)
        modality = str(dataset.get("Modality", "none"))
    except Exception as error:  # pydicom raises errors of many kinds on damaged files
        raise HeadCTReadError(
            f"{path} is not a readable DICOM file ({first_line(error)}); remove it or copy it again."
        ) from error
    if modality != "CT":
        raise HeadCTReadError(f"{path} has Modality {modality}, not CT; give a CT series.")
    try:
        stored = dataset.pixel_array
    except Exception as error:  # and so do its decoders on damaged pixel data
        raise HeadCTReadError(
            f"The pixels of {path} cannot be decoded ({first_line(error)}); "
            "install what decodes them or copy the file again."
        ) from error
    if stored.ndim != 2:
        raise HeadCTReadError(f"{path} has pixels of shape {stored.shape}; a grey image of one frame is needed.")
    try:
        return _slice(path, dataset, stored)
    except HeadCTReadError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError) as error:  # pydicom converts values when asked
        raise HeadCTReadError(f"{path} has a damaged header ({first_line(error)}); copy the file again.") from error


def stack_slices(
    images: Sequence[CTSlice],
) -> tuple[NDArray[np.float32], NDArray[np.float64], list[str]]:
    """Stack an axial CT series, ordered by ImagePositionPatient along the slice normal (PS3.3 C.7.6.2).

    InstanceNumber and file names are not used. Where images of another geometry share the series (a localizer, say),
    the largest group of equal orientation, spacing and matrix is taken and the rest is logged; so are copies of an
    image. Slices may be unevenly spaced; the affine then has their mean distance.

    Args:
        images: one or more images of one series.

    Returns:
        HU float32 (Rows, Columns, S) with slices ascending to superior, the 4x4 affine from (row, column, slice) index
        to RAS+ millimetres (sheared where the gantry was tilted), and the SOPInstanceUID of each slice.

    Raises:
        HeadCTReadError: when an image has no position, or the images are of several series or not axial.
    """
    folder = images[0].path.parent
    for image in images:
        if not image.is_placed:
            raise HeadCTReadError(
                f"{image.path} lacks one of {', '.join(_GEOMETRY)}; without them it cannot be placed in the head."
            )
    series = {image.series for image in images}
    if len(series) > 1:
        raise HeadCTReadError(f"{folder} holds {len(series)} series; give the files of one of them.")
    unique = list({image.uid: image for image in images}.values())
    if len(unique) < len(images):
        logger.warning("%s: %d copies of images were left out of the series.", folder, len(images) - len(unique))
    slices = _largest_group(unique)
    if len(slices) < len(unique):
        others = len(unique) - len(slices)
        logger.warning("%s: %d images of another geometry were left out of the series.", folder, others)

    along_row, along_column = slices[0].orientation[:3], slices[0].orientation[3:]
    normal = np.cross(along_row, along_column)
    if np.abs(normal).argmax() != 2:
        raise HeadCTReadError(f"The series in {folder} is not axial; give an axial head series.")
    normal *= np.sign(normal[2]) / np.linalg.norm(normal)
    # Two images at one place keep an order that does not depend on the names of their files.
    slices.sort(key=lambda one: (round(float(one.position @ normal), 3), one.uid))
    first, last = slices[0].position, slices[-1].position
    if len(slices) > 1 and (last - first) @ normal < 1e-3:
        raise HeadCTReadError(f"All slices in {folder} have the same ImagePositionPatient; give one axial series.")

    lps = np.eye(4)
    # The row index runs along the column direction, and the other way round (PS3.3 C.7.6.2.1.1).
    lps[:3, 0] = along_column * slices[0].spacing[0]
    lps[:3, 1] = along_row * slices[0].spacing[1]
    lps[:3, 2] = (last - first) / (len(slices) - 1) if len(slices) > 1 else normal * slices[0].thickness
    lps[:3, 3] = first
    volume = np.stack([one.hu for one in slices], axis=-1)
    return volume, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, [one.uid for one in slices]


def dicom_files(folder: Path) -> list[Path]:
    """The files of a folder that are, or by their name should be, DICOM images, in order of name.

    A damaged .dcm file is listed, so that reading it says so instead of leaving a gap in the series.
    """
    return [path for path in sorted(folder.iterdir()) if is_dicom(path)]


def is_dicom(path: Path) -> bool:
    """Whether a file is named .dcm or has the DICOM prefix (PS3.10 7.1), and is no DICOMDIR (8.6) or hidden file."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    if path.suffix.lower() == ".dcm":
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _slice(path: Path, dataset: pydicom.Dataset, stored: NDArray[Any]) -> CTSlice:
    missing = [name for name in ("SOPInstanceUID", "SeriesInstanceUID") if not dataset.get(name)]
    if missing:
        raise HeadCTReadError(f"{path} lacks {' and '.join(missing)}; export it again.")
    given = all(dataset.get(name) for name in _GEOMETRY)
    position, orientation, spacing = (
        np.array(dataset[name].value if given else [np.nan] * size, dtype=np.float64)
        for name, size in zip(_GEOMETRY, (3, 6, 2), strict=True)
    )
    if given and not (
        (position.shape, orientation.shape, spacing.shape) == ((3,), (6,), (2,))
        and all(np.isfinite(values).all() for values in (position, orientation, spacing))
        and (spacing > 0).all()
        and np.allclose(orientation.reshape(2, 3) @ orientation.reshape(2, 3).T, np.eye(2), atol=0.01)
    ):
        raise HeadCTReadError(f"{path} has {', '.join(_GEOMETRY)} that are no geometry; export it again.")
    try:
        hu = _hounsfield(dataset, stored)
    except ValueError as error:
        raise HeadCTReadError(
            f"The values of {path} cannot become HU: {first_line(error)}; export it again."
        ) from error
    return CTSlice(
        path=path,
        hu=hu,
        uid=str(dataset.SOPInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        position=position,
        orientation=orientation,
        spacing=spacing,
        thickness=float(dataset.get("SliceThickness") or 1),
    )


def _hounsfield(dataset: pydicom.Dataset, stored: NDArray[Any]) -> NDArray[np.float32]:
    intercept = dataset.get("RescaleIntercept")
    if intercept is None and not dataset.get("PixelRepresentation"):
        raise ValueError("they are unsigned and RescaleIntercept is missing")
    slope = float(1 if dataset.get("RescaleSlope") is None else dataset.RescaleSlope)
    if slope == 0 or not np.isfinite(slope):
        raise ValueError(f"RescaleSlope is {slope:g}")
    hu = stored.astype(np.float32)
    hu *= np.float32(slope)
    hu += np.float32(intercept or 0)
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit")
        # Some files give a signed image's padding as if it were unsigned (63536 for -2000): the bits are what is meant.
        ends = np.array([int(padding), int(padding if limit is None else limit)]).astype(stored.dtype)
        hu[(stored >= ends.min()) & (stored <= ends.max())] = AIR_HU
    return np.maximum(hu, np.float32(AIR_HU), out=hu)


def _largest_group(slices: Sequence[CTSlice]) -> list[CTSlice]:
    groups: list[list[CTSlice]] = []
    for one in slices:
        group = next((group for group in groups if one.fits(group[0])), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return max(groups, key=len)
