"""What the files of an image hold: known by digest, and by their state where nothing was touched."""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ichmonai.io.files.archives import open_member
from ichmonai.io.formats import format_of, header_of
from ichmonai.io.limits import MAX_BYTES
from ichmonai.io.series import ImageSource

FRESH = 2 * 10**9
"""Nanoseconds in which a file can change twice and keep its times: those of FAT count by two seconds."""

_BLOCK = 2**20


def files_of(source: ImageSource) -> list[str]:
    """The files that are read for an image: its own, an archive for its members, and that of voxels kept beside it.

    What is not there is left out.
    """
    if source.member:
        return [source.path]
    if (found := format_of(source.name)) is None:
        header = header_of(source.path)
        return files_of(ImageSource(header)) if header else [source.path]
    return [source.path, *(str(one) for one in found.other_files(source) if _is_file(one))]


def state_of(source: ImageSource) -> str:
    """The state of an image's files: while it stays the same, so does what they hold.

    Returns:
        Size, times and inode of each. It is "" where one is missing, and ends in ~ where one was changed so lately
        that a further change might not show.
    """
    states = []
    fresh = ""
    try:
        for path in files_of(source):
            found = os.stat(path)  # noqa: PTH116  (Path has no faster way)
            states.append(f"{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}.{found.st_ino}")
            if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < FRESH:
                fresh = "~"
    except (OSError, ValueError):
        return ""
    return " ".join(states) + fresh


def same_state(one: str, other: str) -> bool:
    """Whether nothing was touched between two states."""
    return bool(one) and one.removesuffix("~") == other.removesuffix("~")


def is_settled(state: str) -> bool:
    """Whether a later change will show in a state."""
    return bool(state) and not state.endswith("~")


def digest_of(images: Iterable[ImageSource]) -> str:
    """SHA-256 of the files of images in their order, in hexadecimal; of members, of what they inflate to.

    Raises:
        OSError: where a file cannot be read.
        HeadCTReadError: where an archive cannot.
        ValueError: where a file is no file, or larger than is read.
    """
    whole = hashlib.sha256()
    for path, member in dict.fromkeys((one.path, one.member) for one in images):
        if member:
            with open_member(ImageSource(path, member)) as file:
                whole.update(_digest(file))
            continue
        for name in files_of(ImageSource(path)):
            if not _is_file(Path(name)) or Path(name).stat().st_size > MAX_BYTES:
                raise ValueError(f"{name} is not read")  # opening a pipe would wait for ever
            with Path(name).open("rb") as file:
                whole.update(_digest(file))
    return whole.hexdigest()


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    for block in _blocks(file):
        digest.update(block)
    return digest.digest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False
