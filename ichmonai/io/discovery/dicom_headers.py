"""DICOM headers, whatever their state, to `ImageHeader`."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ichmonai.io.discovery.dicom_files import read_dataset
from ichmonai.io.discovery.header_codes import (
    codes_of,
    image_type_code,
    maker_code,
    modality_code,
    model_code,
    photometric_code,
)
from ichmonai.io.discovery.headers import MAX_THICKNESS, ImageHeader, Vector
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.series import ImageSource

MAX_FRAMES = 20_000
"""Far above any head CT; more headers than this from one file are a fault or an attack."""

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
_GEOMETRY = {
    "position": ("ImagePositionPatient", 3),
    "orientation": ("ImageOrientationPatient", 6),
    "spacing": ("PixelSpacing", 2),
}
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
# Where the functional groups (PS3.3 C.7.6.16.2, C.8.15.3) keep what single-frame images have at the top.
_MACROS = {
    "ImagePositionPatient": ("PlanePositionSequence", "ImagePositionPatient"),
    "ImageOrientationPatient": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "SliceThickness": ("PixelMeasuresSequence", "SliceThickness"),
    "ImageType": ("CTImageFrameTypeSequence", "FrameType"),
    "GantryDetectorTilt": ("CTGeometrySequence", "GantryDetectorTilt"),
    "ConvolutionKernel": ("CTReconstructionSequence", "ConvolutionKernel"),
}
# Tags, since looking their names up takes as long as reading them.
_TAGS = {
    name: Tag(name)
    for name in (
        *_DESCRIPTIONS.values(),
        *(name for name, _ in _CODED.values()),
        *_WHOLE.values(),
        *(name for name, _ in _GEOMETRY.values()),
        *("StudyInstanceUID", "SeriesInstanceUID", "ImageType", "SliceThickness", "GantryDetectorTilt"),
        *("AcquisitionNumber", "NumberOfFrames", "ContrastBolusAgentSequence", "CodeMeaning", "FrameType"),
        *(*_GROUPS, *(sequence for sequence, _ in _MACROS.values())),
    )
}
_READ = list(_TAGS.values())
_STRINGS = ("CS", "DS", "IS", "LO", "SH", "UI")
_TEXT_LENGTH = 128
"""Twice what DICOM allows a description: more is damage."""


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
    header = _header(dataset, source, size)
    if not (header.sop_class_uid or header.modality) or not header.series:
        raise HeadCTReadError(
            f"{source} has a damaged header without SOPClassUID or SeriesInstanceUID; remove it or copy it again."
        )
    frames = _items(dataset, _GROUPS[0])
    if not frames:
        return [_with(header, slices=max(_integer(dataset, "NumberOfFrames") or 1, 1))]
    return _frames(dataset, header, frames)


def _header(dataset: Dataset, source: ImageSource, size: int) -> ImageHeader:
    series = _text(dataset, "SeriesInstanceUID")
    values: dict[str, Any] = {field: code(_text(dataset, name)) for field, (name, code) in _CODED.items()}
    values |= codes_of(**_descriptions(dataset))
    values |= {field: _integer(dataset, name) or 0 for field, name in _WHOLE.items()}
    header = ImageHeader(
        source=source,
        size=size,
        study=_text(dataset, "StudyInstanceUID") or series,
        series=series,
        acquisition=_integer(dataset, "AcquisitionNumber"),
        **values,
    )
    return _with(header, **_place(dataset, header))


def _descriptions(dataset: Dataset) -> dict[str, str]:
    """Free text, of which only codes are kept."""
    texts = {field: _text(dataset, name) for field, name in _DESCRIPTIONS.items()}
    if not texts["contrast_agent"] and (agents := _items(dataset, "ContrastBolusAgentSequence")):
        texts["contrast_agent"] = _text(agents[0], "CodeMeaning") or "yes"
    return texts


def _frames(dataset: Dataset, header: ImageHeader, frames: Sequence[Dataset]) -> list[ImageHeader]:
    path, member, _ = header.source
    count = _integer(dataset, "NumberOfFrames")
    if count != len(frames) or count > MAX_FRAMES:
        raise HeadCTReadError(
            f"{header.source} says it has {'no number of' if count is None else count} frames and describes "
            f"{len(frames)} of them "
            f"(at most {MAX_FRAMES} are read); export it again."
        )
    shared = _items(dataset, _GROUPS[1])[:1]
    texts = _descriptions(dataset)
    headers = []
    for index, frame in enumerate(frames):
        one = Dataset()
        for name, (sequence, attribute) in _MACROS.items():
            # The frame's own group, else the shared one (PS3.3 C.7.6.16.1.1).
            for group in (frame, *shared):
                if (items := _items(group, sequence)) and (value := _get(items[0], attribute)) is not None:
                    one[name] = pydicom.DataElement(name, pydicom.datadict.dictionary_VR(name), value)
                    break
        headers.append(
            _with(
                header,
                source=ImageSource(path, member, index),
                **(codes_of(**{**texts, "kernel": kernel}) if (kernel := _text(one, "ConvolutionKernel")) else {}),
                **_place(one, header),
            )
        )
    return headers


def _place(dataset: Dataset, header: ImageHeader) -> dict[str, Any]:
    """What a frame can have of its own."""
    values: dict[str, Any] = {
        "image_type": tuple(map(image_type_code, _texts(dataset, "ImageType"))) or header.image_type,
        "thickness": _thickness(_numbers(dataset, "SliceThickness", 1)),
        "gantry_tilt": next(iter(_numbers(dataset, "GantryDetectorTilt", 1) or ()), header.gantry_tilt),
    }
    bad = []
    for field, (name, size) in _GEOMETRY.items():
        numbers = _numbers(dataset, name, size)
        if numbers is not None and not _makes_sense(field, numbers):
            numbers = None
        if numbers is None and _get(dataset, name) is not None:
            bad.append(name)
        values[field] = numbers
    if bad:
        sentence = f"{header.source} has a damaged {' and '.join(bad)}; export it again."
        values["findings"] = (Finding(Code.BAD_GEOMETRY, sentence),)
    return values


def _makes_sense(field: str, numbers: Vector) -> bool:
    if field == "spacing":
        return min(numbers) > 0
    if field == "position":
        return max(map(abs, numbers)) < 1e5  # 100 m
    row, column = numbers[:3], numbers[3:]
    return (
        abs(math.hypot(*row) - 1) < 0.01
        and abs(math.hypot(*column) - 1) < 0.01
        and abs(sum(a * b for a, b in zip(row, column, strict=True))) < 0.01
    )


def _with(header: ImageHeader, **changes: Any) -> ImageHeader:
    # dataclasses.replace looks at every field again; headers are read by the hundred thousand.
    copy = object.__new__(ImageHeader)
    copy.__dict__.update(header.__dict__, **changes)
    return copy


def _get(dataset: Dataset, name: str) -> Any:
    """A value, or None where it is missing, empty, or not what its VR allows."""
    tag = _TAGS[name]
    if tag not in dataset:
        return None
    try:
        raw: Any = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.VR in _STRINGS and raw.value and _is_plain(raw.value):
            # As pydicom would say, in a tenth of the time; this is nearly every value.
            return raw.value.decode("ascii").rstrip("\0 ").split("\\")
        value = dataset[tag].value
    except Exception:  # pydicom raises errors of many kinds
        return None
    return None if value == "" else value


def _is_plain(value: bytes) -> bool:
    return value.isascii() and b"\x1b" not in value  # which starts a change of character set


def _text(dataset: Dataset, name: str) -> str:
    return " ".join(_texts(dataset, name))[: 2 * _TEXT_LENGTH]  # a UID among them, which sentences name


def _texts(dataset: Dataset, name: str) -> tuple[str, ...]:
    value = _get(dataset, name)
    if value is None or isinstance(value, bytes | pydicom.Sequence):
        return ()
    values = (value,) if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
    return tuple("".join(filter(str.isprintable, str(one)[:_TEXT_LENGTH])).strip() for one in values[:16])


def _numbers(dataset: Dataset, name: str, size: int) -> Vector | None:
    value = _get(dataset, name)
    if value is None or isinstance(value, bytes | pydicom.Sequence):
        return None
    try:
        several = isinstance(value, Sequence) and not isinstance(value, str)
        numbers = tuple(map(float, value if several else (value,)))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == size and all(map(math.isfinite, numbers)) else None


def _thickness(numbers: Vector | None) -> float | None:
    return numbers[0] if numbers and 0 < numbers[0] < MAX_THICKNESS else None


def _integer(dataset: Dataset, name: str) -> int | None:
    numbers = _numbers(dataset, name, 1)
    return int(numbers[0]) if numbers and abs(numbers[0]) < 2**31 else None


def _items(dataset: Dataset, name: str) -> Sequence[Dataset]:
    value = _get(dataset, name)
    return value if isinstance(value, pydicom.Sequence) else ()
