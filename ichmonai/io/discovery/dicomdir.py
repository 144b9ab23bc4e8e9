"""The files that a DICOMDIR (PS3.3 F) refers to."""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ichmonai.errors import first_line, printable
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.format import START
from ichmonai.io.formats.dicom.files import is_directory, read_dataset
from ichmonai.io.series import ImageSource, OtherFile, Rejection, reject


def is_directory_file(path: str) -> bool:
    """Whether a file is a DICOMDIR, whatever its name."""
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        return is_directory(file.read(START))
    return False


def referenced_files(path: str) -> Iterator[str | Rejection]:
    """The files that a DICOMDIR refers to, and a rejection for each that is not there, or outside its folder.

    Args:
        path: of the DICOMDIR.
    """
    try:
        with Path(path).open("rb") as stream:
            dataset = read_dataset(stream, ImageSource(path), specific_tags=["DirectoryRecordSequence"])
        names = [record.get("ReferencedFileID") for record in dataset.get("DirectoryRecordSequence") or ()]
        files = [PurePosixPath(*([name] if isinstance(name, str) else map(str, name))) for name in names if name]
    except HeadCTReadError as error:
        yield reject(path, str(error), error.code)
        return
    except Exception as error:  # pydicom raises errors of many kinds on damaged files
        yield reject(path, f"{path} is not a readable DICOMDIR ({first_line(error)}); give its folder instead.")
        return
    if not files:
        yield reject(path, f"{path} refers to no files; give its folder instead.", Code.EMPTY)
    for file in files:
        found = Path(path).parent / file
        if file.is_absolute() or ".." in file.parts:
            yield reject(str(found), f"{path} refers to {file}, outside its folder; it is not opened.")
            continue
        if not found.exists():  # discs are often copied in lower case
            lower = Path(path).parent / str(file).lower()
            found = lower if lower.exists() else found
        if found.exists():
            yield str(found)
        else:
            yield reject(str(found), f"{found} is missing, though {path} refers to it; copy the disc again.")


def count_directory(path: str) -> list[OtherFile | Rejection]:
    """What becomes of a DICOMDIR in a folder, whose files are found by themselves: only those that lack are told.

    Args:
        path: of the DICOMDIR.
    """
    rejections = [one for one in referenced_files(path) if isinstance(one, Rejection)]
    own = [one for one in rejections if one.path == printable(path)]
    if any(one.finding.code is not Code.EMPTY for one in own):  # it cannot be read
        return list(rejections)
    return [OtherFile(path), *(one for one in rejections if one not in own)]
