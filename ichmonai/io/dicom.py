"""DICOM CT slices and series to HU."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from ichmonai.io.errors import HeadCTReadError

logger = logging.getLogger(__name__)

AIR_HU = -1024.0
"""The lowest HU that is kept: scanners mark pixels outside their field of view with values far below air."""


def read_slice(path: Path) -> tuple[pydicom.Dataset, np.ndarray]:
    """Read one CT Image and convert its stored values to HU (PS3.3 C.11.1.1.2, C.7.6.3).

    Args:
        path: a DICOM file with one frame.

    Returns:
        The dataset and its HU, float32 (Rows, Columns), not below -1024.

    Raises:
        HeadCTReadError: when the file is not DICOM, not CT or has no pixels that can be decoded.
    """
    try:
        dataset = pydicom.dcmread(path)
    except (InvalidDicomError, OSError, EOFError, ValueError) as error:
        raise HeadCTReadError(f"{path} is not a readable DICOM file ({error}); remove it or copy it again.") from error
    modality = dataset.get("Modality", "none")
    if modality != "CT":
        raise HeadCTReadError(f"{path} has Modality {modality}, not CT; give a CT series.")
    try:
        stored = dataset.pixel_array
    except Exception as error:  # pydicom's decoders raise errors of every kind on damaged pixel data
        raise HeadCTReadError(f"The pixels of {path} cannot be decoded ({error}); copy the file again.") from error
    if stored.ndim != 2:
        raise HeadCTReadError(f"{path} has pixels of shape {stored.shape}; a grey image of one frame is needed.")
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    hu = stored.astype(np.float32) * slope + float(dataset.get("RescaleIntercept", 0) or 0)
    return dataset, np.maximum(hu, AIR_HU)


def read_series(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read an axial CT series, ordered by ImagePositionPatient along the slice normal (PS3.3 C.7.6.2).

    InstanceNumber and file names are not used. Where images of another geometry share the series (a localizer, say),
    the largest group of equal orientation, spacing and matrix is taken and the rest is logged.

    Args:
        paths: the files of one series.

    Returns:
        HU float32 (Rows, Columns, S) with slices ascending to superior, the 4x4 affine from (row, column, slice) index
        to RAS+ millimetres (sheared where the gantry was tilted), and the SOPInstanceUID of each slice.

    Raises:
        HeadCTReadError: when a file cannot be read, or the series has no position or is not axial.
    """
    groups: dict[tuple, list[tuple[pydicom.Dataset, np.ndarray]]] = {}
    series: set[str] = set()
    for path in paths:
        dataset, hu = read_slice(path)
        series.add(str(dataset.get("SeriesInstanceUID", "")))
        missing = [
            name
            for name in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing")
            if dataset.get(name) is None
        ]
        if missing:
            raise HeadCTReadError(f"{path} lacks {', '.join(missing)}; its slice cannot be placed in the head.")
        orientation = tuple(round(float(v), 3) for v in dataset.ImageOrientationPatient)
        spacing = tuple(round(float(v), 4) for v in dataset.PixelSpacing)
        groups.setdefault((orientation, spacing, hu.shape), []).append((dataset, hu))
    folder = Path(paths[0]).parent
    if len(series) > 1:
        raise HeadCTReadError(f"{folder} holds {len(series)} series; give the files of one of them.")
    (orientation, spacing, _), slices = max(groups.items(), key=lambda item: len(item[1]))
    if len(groups) > 1:
        others = sum(map(len, groups.values())) - len(slices)
        logger.warning("%s: %d images of another geometry were left out of the series.", folder, others)

    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    if np.abs(normal).argmax() != 2:
        raise HeadCTReadError(f"The series in {folder} is not axial; give an axial head series.")
    normal *= np.sign(normal[2])
    position = [np.array(dataset.ImagePositionPatient, dtype=float) for dataset, _ in slices]
    order = np.argsort([p @ normal for p in position], kind="stable")
    first, last = position[order[0]], position[order[-1]]
    step = (last - first) / (len(slices) - 1) if len(slices) > 1 else normal * _thickness(slices[0][0])
    if not np.any(step):
        raise HeadCTReadError(f"All slices in {folder} have the same ImagePositionPatient; give one series.")

    lps = np.eye(4)
    lps[:3, 0] = along_column * spacing[0]  # the row index runs along the column direction, and the other way round
    lps[:3, 1] = along_row * spacing[1]
    lps[:3, 2] = step
    lps[:3, 3] = first
    volume = np.stack([slices[i][1] for i in order], axis=-1)
    return volume, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, [str(slices[i][0].SOPInstanceUID) for i in order]


def is_dicom(path: Path) -> bool:
    """Whether a file carries the DICOM prefix (PS3.10 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _thickness(dataset: pydicom.Dataset) -> float:
    return float(dataset.get("SliceThickness", 0) or 1.0)
