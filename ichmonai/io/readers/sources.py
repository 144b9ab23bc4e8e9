"""The bytes of an image, from a file or a zip member."""

import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ichmonai.errors import first_line
from ichmonai.io.discovery.archives import open_member
from ichmonai.io.discovery.bounded import MAX_BYTES
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.series import Location
from ichmonai.io.suffixes import PACKED_DICOM_SUFFIXES
from ichmonai.processes.scratch import scratch_folder

_BLOCK = 2**20


@contextmanager
def open_image(location: Location) -> Iterator[BinaryIO]:
    """An image as a stream that can seek; a zip member is inflated into memory, at most MAX_BYTES of it.

    Raises:
        HeadCTReadError: `UNREADABLE` where it cannot be opened or is no file, `TOO_LARGE` beyond MAX_BYTES.
    """
    if location.member:
        inflated = io.BytesIO()
        _inflate(location, inflated)
        inflated.seek(0)
        yield inflated
        return
    path = Path(location.path)
    if not path.is_file():  # opening a pipe would wait for ever
        raise HeadCTReadError(f"{path} {'is no file' if path.exists() else 'does not exist'}; check the path.")
    try:
        file = path.open("rb")
    except OSError as error:
        raise HeadCTReadError(f"{path} cannot be opened ({error.strerror}); check its permissions.") from error
    with file:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(location)
        if not path.name.lower().endswith(PACKED_DICOM_SUFFIXES):
            yield file
            return
        try:
            inflated = io.BytesIO()
            _copy(gzip.GzipFile(fileobj=file), inflated, location)
        except (EOFError, OSError, zlib.error) as error:
            raise HeadCTReadError(f"{location} is damaged ({first_line(error)}); copy it again.") from error
        inflated.seek(0)
        yield inflated


@contextmanager
def image_path(location: Location) -> Iterator[Path]:
    """An image as a file, for libraries that take nothing else; a zip member in a temporary one, removed afterwards.

    Raises:
        HeadCTReadError: as `open_image`.
    """
    if not location.member:
        with open_image(location):
            yield Path(location.path)
        return
    # A name of its own: only the suffix, by which libraries tell formats, is the member's.
    suffixes = PurePosixPath(location.member.lower()).suffixes
    name = "volume" + "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(scratch_folder()), name)
            with path.open("wb") as file:
                _inflate(location, file)
        except OSError as error:
            raise HeadCTReadError(
                f"{location} cannot be unpacked into {tempfile.gettempdir()} ({error.strerror}); make room there.",
                Code.FAILED,
            ) from error
        yield path


def _inflate(location: Location, target: BinaryIO) -> None:
    try:
        with open_member(location) as member:
            _copy(member, target, location)
    except (HeadCTReadError, OSError):
        raise
    except Exception as error:  # zipfile and zlib raise errors of many kinds on damaged archives
        raise HeadCTReadError(f"{location} is damaged ({first_line(error)}); copy the archive again.") from error


def _copy(source: Any, target: BinaryIO, location: Location) -> None:
    left = MAX_BYTES
    while block := source.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise _too_large(location)
        target.write(block)


def _too_large(location: Location) -> HeadCTReadError:
    return HeadCTReadError(
        f"{location} has more than {MAX_BYTES // 2**20} MiB, too much for a head CT; give a smaller reconstruction.",
        Code.TOO_LARGE,
    )
