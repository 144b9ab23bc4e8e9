"""DICOM CT images, of one frame or many, with their place in the patient."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ichmonai.errors import first_line
from ichmonai.io.discovery.dicom_files import START, is_dicom_start, is_directory, read_dataset
from ichmonai.io.discovery.header_checks import CT_IMAGES, check_size
from ichmonai.io.discovery.header_codes import modality_code, photometric_code
from ichmonai.io.discovery.headers import MAX_THICKNESS
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.readers.functional_groups import frame_header
from ichmonai.io.readers.hounsfield import Rescale, rescale_of, rescale_type
from ichmonai.io.readers.pixels import ROW_BY_ROW, can_decode, frame_count, read_pixels
from ichmonai.io.readers.plausibility import suspicion
from ichmonai.io.readers.sources import open_image
from ichmonai.io.series import ImageSource
from ichmonai.io.suffixes import DICOM_SUFFIXES

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass
class CTSlice:
    """One CT image, or one frame of an enhanced one.

    Attributes:
        source: its file; the frame is set where the file has several.
        stored: stored values (Rows, Columns).
        rescale: makes HU of them.
        uid: SOPInstanceUID.
        series: SeriesInstanceUID.
        position: ImagePositionPatient in mm, (3,); nan, as the next two, where the geometry is not given.
        orientation: ImageOrientationPatient: direction cosines of a row and of a column, (6,).
        spacing: PixelSpacing in mm, (2,): between rows, between columns.
        thickness: SliceThickness in mm, 1 where it is not given or absurd.
        findings: what its values are suspected of.
    """

    source: ImageSource
    stored: NDArray[Any]
    rescale: Rescale
    uid: str
    series: str
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: NDArray[np.float64]
    thickness: float
    findings: list[Finding] = field(default_factory=list)

    @property
    def hu(self) -> NDArray[np.float32]:
        """HU, float32 (Rows, Columns), computed anew at each call."""
        return self.rescale(self.stored)

    @property
    def is_placed(self) -> bool:
        """Whether its geometry is known."""
        return bool(np.isfinite(self.position).all())

    def fits(self, other: "CTSlice") -> bool:
        """Whether both have one matrix, orientation (to 0.001, about 0.06 degrees) and spacing (to 0.001 mm)."""
        return (
            self.stored.shape == other.stored.shape
            and np.allclose(self.orientation, other.orientation, rtol=0, atol=1e-3)
            and np.allclose(self.spacing, other.spacing, rtol=0, atol=1e-3)
        )


def read_slices(source: ImageSource, frames: Sequence[int] | None = None) -> Iterator[CTSlice]:
    """Read the frames of one CT image, each decoded once.

    Args:
        source: a DICOM file; its own frame is not looked at.
        frames: indices of the frames to read; all of them by default.

    Yields:
        One slice for each frame, in ascending order. The stored values stay as they are: HU are made where the volume
        is filled, so that a series waits in memory at 2 bytes a pixel.

    Raises:
        HeadCTReadError: `UNREADABLE` where it is no DICOM file or its header is damaged, `WRONG_MODALITY`, `BURNED_IN`
            in colour, `TOO_LARGE`, `UNDECODABLE` where the pixels are truncated, damaged or compressed in a way that
            nothing installed decodes, `NOT_HU` where it does not say how its values become HU, and `BAD_GEOMETRY`.
    """
    source = source._replace(frame=-1)
    with open_image(source) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's about values that DICOM does not allow; what matters is checked
        dataset = _read_dataset(file, source)
        try:
            count = frame_count(dataset)
            rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        except Exception as error:  # values are converted when asked for, with errors of many kinds
            raise _damaged(source, error) from error
        # Before even the numbers of the frames are: there may be said to be billions.
        check_size(str(source), rows, columns, count if frames is None else len(frames))
        wanted = sorted(set(range(count) if frames is None else frames))
        if wanted[-1] >= count:
            raise HeadCTReadError(f"{source} has {count} frames, and not number {wanted[-1] + 1}; look for it again.")
        pixels = _decode(source, dataset, wanted)
        for index, (stored, fault) in zip(wanted, pixels, strict=True):
            place = source if count == 1 else source._replace(frame=index)
            try:
                yield _slice(place, dataset, frame_header(dataset, index), stored, fault)
            except HeadCTReadError:
                raise
            except Exception as error:
                raise _damaged(source, error) from error


def dicom_files(folder: Path) -> list[Path]:
    """The files of a folder that are, or by their name should be, DICOM images, in order of name.

    A damaged .dcm file is listed, so that reading it says so instead of leaving a gap in the series.
    """
    return [path for path in sorted(folder.iterdir()) if _is_dicom(path)]


def _is_dicom(path: Path) -> bool:
    """Whether a file is named as DICOM or begins like it, and is no DICOMDIR (PS3.10 8.6) or hidden file."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    if path.name.lower().endswith(DICOM_SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(START)
            return is_dicom_start(start) and not is_directory(start)
    except OSError:
        return False


def _read_dataset(file: BinaryIO, source: ImageSource) -> Dataset:
    dataset = read_dataset(file, source)
    try:
        if not dataset:  # where fragments of compressed pixels are cut off, pydicom hands back nothing at all
            raise ValueError("it ends before its pixels do")
        modality = str(dataset.get("Modality") or "")[:16]
        is_ct = modality == "CT" or (not modality and dataset.get("SOPClassUID") in CT_IMAGES)
        samples = int(dataset.get("SamplesPerPixel") or 1)
        photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")[:16]
    except Exception as error:  # pydicom raises errors of many kinds on damaged files
        raise HeadCTReadError(
            f"{source} is not a readable DICOM file ({first_line(error)}); remove it or copy it again."
        ) from error
    if not is_ct:
        raise HeadCTReadError(
            f"{source} has Modality {modality_code(modality) or 'none'}, not CT; give a CT series.", Code.WRONG_MODALITY
        )
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise HeadCTReadError(
            f"{source} is a colour image ({photometric_code(photometric)}); give the grey images that it was made "
            "from.",
            Code.BURNED_IN,
        )
    return dataset


def _decode(source: ImageSource, dataset: Dataset, indices: Sequence[int]) -> Iterator[tuple[NDArray[Any], str]]:
    try:
        for stored, fault in read_pixels(dataset, indices):
            if stored.ndim != 2 or not stored.size:
                raise ValueError(f"they have shape {stored.shape}")
            yield stored, fault
    except Exception as error:  # decoders raise errors of many kinds on damaged pixels
        raise HeadCTReadError(
            f"The pixels of {source} cannot be decoded ({first_line(error)}); {_advice(dataset)}.", Code.UNDECODABLE
        ) from error


def _advice(dataset: Dataset) -> str:
    """What lacks a decoder and what is damaged need different help."""
    syntax = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID") or ""))  # damaged, it is any string
    if not syntax:
        return "export it again, with its transfer syntax"
    if not can_decode(syntax):
        return f"install what decodes {syntax.name[:64]}, or convert the file to another transfer syntax"
    return "copy the file or send it again"


def _slice(source: ImageSource, dataset: Dataset, header: Dataset, stored: NDArray[Any], fault: str) -> CTSlice:
    missing = [name for name in ("SOPInstanceUID", "SeriesInstanceUID") if not dataset.get(name)]
    if missing:
        raise HeadCTReadError(f"{source} lacks {' and '.join(missing)}; export it again.")
    try:
        rescale = rescale_of(header, stored)
    except ValueError as error:
        raise HeadCTReadError(
            f"The values of {source} cannot become HU: {first_line(error)}; export it again.", Code.NOT_HU
        ) from error
    position, orientation, spacing = _geometry(source, header)
    findings = []
    if rescale.wraps:
        findings.append(
            Finding(
                Code.INTERCEPT_CORRECTED,
                f"{source} has signed values stored without sign in 12 bits; air was put back to -1000 HU.",
            )
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    if not fault and syntax.is_encapsulated:
        fault = suspicion(rescale.unlimited(stored), syntax in ROW_BY_ROW)
    if fault:
        findings.append(
            Finding(
                Code.DAMAGED_PIXELS,
                f"{source} has {fault}, as damaged files have; look at the slice, and copy or send the series again.",
            )
        )
    if rescale_type(header):
        findings.append(Finding(Code.NOT_HU, f"{source} has another RescaleType than HU; give the series of usual HU."))
    return CTSlice(
        source=source,
        stored=stored,
        rescale=rescale,
        uid=str(dataset.SOPInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        position=position,
        orientation=orientation,
        spacing=spacing,
        thickness=_thickness(header),
        findings=findings,
    )


def _thickness(header: Dataset) -> float:
    try:
        thickness = float(header.get("SliceThickness") or 1)
    except (TypeError, ValueError):  # no number
        return 1.0
    return thickness if 0 < thickness < MAX_THICKNESS else 1.0


def _geometry(source: ImageSource, header: Dataset) -> tuple[NDArray[np.float64], ...]:
    if not all(header.get(name) for name in GEOMETRY):
        return tuple(np.full(size, np.nan) for size in (3, 6, 2))
    try:
        position, orientation, spacing = (np.array(header[name].value, dtype=np.float64) for name in GEOMETRY)
        directions = orientation.reshape(2, 3)
        sound = (
            (position.shape, spacing.shape) == ((3,), (2,))
            and all(np.isfinite(values).all() for values in (position, orientation, spacing))
            and (spacing > 0).all()
            and np.allclose(directions @ directions.T, np.eye(2), atol=0.01)
        )
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise HeadCTReadError(
            f"{source} has {', '.join(GEOMETRY)} that are no geometry; export it again.", Code.BAD_GEOMETRY
        )
    return position, orientation, spacing


def _damaged(source: ImageSource, error: Exception) -> HeadCTReadError:
    return HeadCTReadError(f"{source} has a damaged header ({first_line(error)}); copy the file again.")
