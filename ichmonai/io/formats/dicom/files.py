"""DICOM files as they are found: with preamble and prefix or without, deflated, or longer than they should be."""

import logging
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ichmonai.errors import first_line
from ichmonai.io.files.bounded import BoundedReader
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.format import START
from ichmonai.io.limits import MAX_BYTES, MAX_HEADER_BYTES, MAX_ITEMS
from ichmonai.io.series import ImageSource

PACKED = (".dcm.gz",)
SUFFIXES = (".dcm", ".dicom", ".ima", *PACKED)
"""Names of files that are reported where they are no readable DICOM."""
PREFIX = 132
"""Bytes of preamble and prefix (PS3.10 7.1)."""
_DIRECTORY = b"1.2.840.10008.1.3.10"
_SEQUENCES = (
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
    "ContrastBolusAgentSequence",
    "DirectoryRecordSequence",
)
"""Those that are looked into."""
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")
_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT".split())
_LONGEST_FIRST = 1024
"""Bytes of a first element; group lengths have 4, character sets and UIDs up to 64 a value."""

# It quotes values that DICOM does not allow, which may name a patient.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def is_dicom_start(start: bytes) -> bool:
    """Whether a file begins like DICOM: with the prefix, or with an element of file meta or of the image.

    Files without preamble, or without file meta, come from old systems and from dumps of what went over a network;
    pydicom reads them with `force`, and dcm4che as they are.

    Args:
        start: the first `PREFIX` bytes.
    """
    if start[128:PREFIX] == b"DICM":
        return True
    if len(start) < 8 or start[:2] not in _FIRST_GROUPS:
        return False
    # Implicit VR is always little endian.
    implicit = start[:2] != _FIRST_GROUPS[2] and int.from_bytes(start[4:8], "little") <= _LONGEST_FIRST
    return start[4:6] in _VRS or implicit


def is_directory(start: bytes) -> bool:
    """Whether a file is a DICOMDIR (PS3.3 F), whatever its name, by the SOP class in its first `START` bytes."""
    return start[128:PREFIX] == b"DICM" and _DIRECTORY in start


def read_dataset(file: BinaryIO, source: ImageSource, **options: Any) -> Dataset:
    """Read a DICOM file with what bounds memory, whatever lengths and counts it declares.

    Args:
        file: at its beginning, seekable.
        source: where it is.
        options: of `pydicom.dcmread`; with `specific_tags`, only so much is read as a header may have.

    Returns:
        The data set, with a TransferSyntaxUID also where the file lacks it.

    Raises:
        HeadCTReadError: `UNREADABLE` where it is no DICOM file or a damaged one, `TOO_LARGE` where it is deflated and
            large, or its header is longer than any.
    """
    if not is_dicom_start(file.read(PREFIX)):
        raise HeadCTReadError(
            f"{source} is not a readable DICOM file (it lacks the prefix DICM, and does not begin with an image's "
            "first elements); copy it again."
        )
    file.seek(0)
    bounded: Any = BoundedReader(file, source, MAX_HEADER_BYTES if "specific_tags" in options else MAX_BYTES)
    try:
        dataset = pydicom.dcmread(bounded, force=True, **options)
    except Exception as error:  # pydicom raises errors of many kinds on damaged files
        raise bounded.error or HeadCTReadError(
            f"{source} is not a readable DICOM file ({first_line(error)}); remove it or copy it again."
        ) from error
    _check_items(dataset, source)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _syntax_as_read(dataset)
    return dataset


def _check_items(dataset: Dataset, source: ImageSource) -> None:
    """Before the items are made: they take more memory than their bytes."""
    for name in _SEQUENCES:
        tag = Tag(name)
        raw: Any = dataset.get_item(tag) if tag in dataset else None
        if isinstance(raw, RawDataElement) and raw.value and max(map(raw.value.count, _ITEMS)) > MAX_ITEMS:
            raise HeadCTReadError(
                f"{source} has a {name} of more than {MAX_ITEMS} items, more than any head CT; export it again.",
                Code.TOO_LARGE,
            )


def _syntax_as_read(dataset: Any) -> UID:
    """What pydicom took it for."""
    implicit, little = getattr(dataset, "original_encoding", None) or (  # pydicom 3, and 2.4
        dataset.read_implicit_vr,
        dataset.read_little_endian,
    )
    if not little:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def dicom_files(folder: Path) -> list[Path]:
    """The files of a folder that are, or by their name should be, DICOM images, in order of name.

    A damaged .dcm file is listed, so that reading it says so instead of leaving a gap in the series.
    """
    return [path for path in sorted(folder.iterdir()) if _is_dicom(path)]


def _is_dicom(path: Path) -> bool:
    """Whether a file is named as DICOM or begins like it, and is no DICOMDIR (PS3.10 8.6) or hidden file."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(START)
            return is_dicom_start(start) and not is_directory(start)
    except OSError:
        return False
