"""Headers that are text, of NRRD and MetaImage."""

import os
import re
from pathlib import Path, PurePath

from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.limits import MAX_TEXT_HEADER
from ichmonai.io.series import ImageSource

_VOXELS = re.compile(rb"^(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)


def read_start(path: Path) -> bytes:
    """As much of a file as a header can have.

    Raises:
        OSError: where it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(MAX_TEXT_HEADER)


def named_voxels(header: bytes) -> str:
    """The name of the file of its own that a header keeps its voxels in; "" where it keeps them itself."""
    found = _VOXELS.search(header)
    return os.fsdecode(found[1]) if found and found[1].upper() != b"LOCAL" else ""


def whole_numbers(text: str) -> list[int]:
    """Whole numbers between spaces.

    Raises:
        ValueError: where there is something else.
    """
    try:
        return [int(value) for value in text.split()]
    except ValueError:  # which would quote the header
        raise ValueError("it has words where whole numbers belong") from None


def numbers(text: str) -> list[float]:
    """Numbers between spaces, commas and brackets.

    Raises:
        ValueError: where there is something else.
    """
    try:
        return [float(value) for value in text.replace("(", " ").replace(")", " ").replace(",", " ").split()]
    except ValueError:
        raise ValueError("it has words where numbers belong") from None


def check_one_value(count: int, source: ImageSource) -> None:
    """Refuse other than one value a voxel.

    Raises:
        HeadCTReadError: `UNREADABLE`.
    """
    if count != 1:
        raise HeadCTReadError(f"{source} has {count} values a voxel; a head CT volume has one.")


def check_voxels_elsewhere(name: str, source: ImageSource) -> None:
    """Voxels in a file of their own: it has to be there, beside the header.

    Raises:
        HeadCTReadError: `UNREADABLE`.
    """
    file = PurePath(name.replace("\\", "/"))
    if source.member or file.is_absolute() or ".." in file.parts:
        raise HeadCTReadError(
            f"{source} keeps its voxels in another file, which is not followed here; "
            "write header and voxels into one file."
        )
    if not (Path(source.path).parent / file).is_file():
        raise HeadCTReadError(
            f"{source} keeps its voxels in {file}, which is not beside it; copy both, or write them into one file."
        )
