"""DICOM headers, whatever their state, to `ImageHeader`."""

import re
from collections.abc import Callable
from typing import Any, BinaryIO

from pydicom.dataset import Dataset

from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.formats.dicom.codes import (
    codes_of,
    image_type_code,
    maker_code,
    modality_code,
    model_code,
    photometric_code,
)
from ichmonai.io.formats.dicom.files import read_dataset
from ichmonai.io.formats.dicom.functional_groups import GROUPS, frame_datasets
from ichmonai.io.formats.dicom.values import get, has, integer, items, numbers, tag_of, text, texts
from ichmonai.io.header import GEOMETRY, ImageHeader, Vector
from ichmonai.io.limits import MAX_KVP, MAX_POSITION, MAX_THICKNESS
from ichmonai.io.series import ImageSource

CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
"""CT Image Storage and Enhanced CT Image Storage."""
_UID = re.compile(r"[0-9.]{1,64}")
_DESCRIPTIONS = {
    "series_description": "SeriesDescription",
    "study_description": "StudyDescription",
    "protocol": "ProtocolName",
    "body_part": "BodyPartExamined",
    "contrast_agent": "ContrastBolusAgent",
    "kernel": "ConvolutionKernel",
}
_CODED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "sop_instance_uid": ("SOPInstanceUID", str),
    "sop_class_uid": ("SOPClassUID", lambda text: text if _UID.fullmatch(text) else ""),
    "modality": ("Modality", modality_code),
    "photometric": ("PhotometricInterpretation", photometric_code),
    "burned_in": ("BurnedInAnnotation", lambda text: text.upper() == "YES"),
    "manufacturer": ("Manufacturer", maker_code),
    "model": ("ManufacturerModelName", model_code),
}
_WHOLE = {"rows": "Rows", "columns": "Columns", "bits": "BitsStored"}
_SIZES = {"position": 3, "orientation": 6, "spacing": 2}
_READ = [
    tag_of(name)
    for name in (
        *_DESCRIPTIONS.values(),
        *(name for name, _ in _CODED.values()),
        *_WHOLE.values(),
        *GEOMETRY.values(),
        *GROUPS,
        *("StudyInstanceUID", "SeriesInstanceUID", "ImageType", "SliceThickness", "GantryDetectorTilt"),
        *("KVP", "AcquisitionNumber", "NumberOfFrames", "ContrastBolusAgentSequence"),
    )
]


def read_dicom(file: BinaryIO, source: ImageSource, size: int = 0) -> list[ImageHeader]:
    """Read the header of one DICOM file; only what `ImageHeader` holds is parsed, and never the pixels.

    Args:
        file: at its beginning, seekable.
        source: where it is.
        size: its bytes.

    Returns:
        One header; of an image with functional groups (Enhanced CT, PS3.3 A.38) one for each frame.

    Raises:
        HeadCTReadError: where it is no DICOM file, or too damaged to tell which image it is.
    """
    dataset = read_dataset(file, source, specific_tags=_READ, stop_before_pixels=True)
    header = image_header(dataset, source, size)
    if not (header.sop_class_uid or header.modality) or not header.series:
        raise HeadCTReadError(
            f"{source} has a damaged header without SOPClassUID or SeriesInstanceUID; remove it or copy it again."
        )
    frames = frame_datasets(dataset, source)
    if frames is None:
        return [_with(header, slices=max(integer(dataset, "NumberOfFrames") or 1, 1))]
    return [frame_header(frame, header, index, _descriptions(dataset)) for index, frame in enumerate(frames)]


def image_header(dataset: Dataset, source: ImageSource, size: int = 0) -> ImageHeader:
    """What the top of a data set says.

    Args:
        dataset: of one image.
        source: where it is.
        size: bytes of its file.
    """
    series = text(dataset, "SeriesInstanceUID")
    values: dict[str, Any] = {field: code(text(dataset, name)) for field, (name, code) in _CODED.items()}
    values |= codes_of(**_descriptions(dataset))
    values |= {field: integer(dataset, name) or 0 for field, name in _WHOLE.items()}
    header = ImageHeader(
        source=source,
        size=size,
        study=text(dataset, "StudyInstanceUID") or series,
        series=series,
        acquisition=integer(dataset, "AcquisitionNumber"),
        **values,
    )
    return _with(header, **_place(dataset, header))


def frame_header(
    frame: Dataset, header: ImageHeader, index: int, descriptions: dict[str, str] | None = None
) -> ImageHeader:
    """What a frame says, and else its image.

    Args:
        frame: of `frame_datasets`.
        header: of its image.
        index: of the frame, from 0.
        descriptions: free text of the image; without it, the frame has the kernel of its image.
    """
    values = _place(frame, header)
    if descriptions and (kernel := text(frame, "ConvolutionKernel")):
        values |= codes_of(**{**descriptions, "kernel": kernel})
    return _with(header, source=header.source._replace(frame=index), **values)


def modality_of(header: ImageHeader) -> str:
    """Modality, or what stands for it: CT where the SOP class says so, else missing."""
    return header.modality or ("CT" if header.sop_class_uid in CT_IMAGES else "missing")


def _descriptions(dataset: Dataset) -> dict[str, str]:
    """Free text, of which only codes are kept."""
    found = {field: text(dataset, name) for field, name in _DESCRIPTIONS.items()}
    if not found["contrast_agent"] and (agents := items(dataset, "ContrastBolusAgentSequence")):
        found["contrast_agent"] = text(agents[0], "CodeMeaning") or "yes"
    return found


def _place(dataset: Dataset, header: ImageHeader) -> dict[str, Any]:
    """What a frame can have of its own."""
    values: dict[str, Any] = {
        "image_type": tuple(map(image_type_code, texts(dataset, "ImageType"))) or header.image_type,
        "thickness": _thickness(numbers(dataset, "SliceThickness", 1)),
        "kvp": next((one for one in numbers(dataset, "KVP", 1) or () if 0 < one < MAX_KVP), header.kvp),
        "gantry_tilt": next(iter(numbers(dataset, "GantryDetectorTilt", 1) or ()), header.gantry_tilt),
    }
    bad = []
    for field, name in GEOMETRY.items():
        found = numbers(dataset, name, _SIZES[field])
        if found is not None and not _makes_sense(field, found):
            found = None
        if found is None and has(dataset, name):
            bad.append(name)
        values[field] = found
    # Of no kind that it can be.
    if not values["thickness"] and has(dataset, "SliceThickness") and get(dataset, "SliceThickness") is None:
        bad.append("SliceThickness")
    if bad:
        sentence = f"{header.source} has a damaged {' and '.join(bad)}; export it again."
        values["findings"] = (Finding(Code.BAD_GEOMETRY, sentence),)
    return values


def _makes_sense(field: str, found: Vector) -> bool:
    if field == "spacing":
        return min(found) > 0
    if field == "position":
        return max(map(abs, found)) < MAX_POSITION
    row, column = found[:3], found[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    return max(map(abs, products)) <= 0.01


def _thickness(found: Vector | None) -> float | None:
    return found[0] if found and 0 < found[0] < MAX_THICKNESS else None


def _with(header: ImageHeader, **changes: Any) -> ImageHeader:
    # dataclasses.replace looks at every field again; headers are read by the hundred thousand.
    copy = object.__new__(ImageHeader)
    copy.__dict__.update(header.__dict__, **changes)
    return copy


def _dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
