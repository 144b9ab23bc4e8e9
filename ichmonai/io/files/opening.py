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
from ichmonai.io.files.archives import open_member
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.limits import MAX_BYTES
from ichmonai.io.series import ImageSource
from ichmonai.processes.scratch import scratch_folder

_BLOCK = 2**20


@contextmanager
def open_image(source: ImageSource, inflate: bool = False) -> Iterator[BinaryIO]:
    """An image as a stream that can seek; a zip member is inflated into memory, at most MAX_BYTES of it.

    Args:
        source: where it is.
        inflate: a file is compressed by gzip.

    Raises:
        HeadCTReadError: `UNREADABLE` where it cannot be opened or is no file, `TOO_LARGE` beyond MAX_BYTES.
    """
    if source.member:
        inflated = io.BytesIO()
        _inflate(source, inflated)
        inflated.seek(0)
        yield inflated
        return
    path = Path(source.path)
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise HeadCTReadError(f"{path} {'is no file' if path.exists() else 'does not exist'}; check the path.")
        file = path.open("rb")
    except OSError as error:
        raise HeadCTReadError(f"{path} cannot be opened ({error.strerror}); check its permissions.") from error
    with file:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(source)
        if not inflate:
            yield file
            return
        try:
            inflated = io.BytesIO()
            _copy(gzip.GzipFile(fileobj=file), inflated, source)
        except (EOFError, OSError, zlib.error) as error:
            raise HeadCTReadError(f"{source} is damaged ({first_line(error)}); copy it again.") from error
        inflated.seek(0)
        yield inflated


@contextmanager
def image_path(source: ImageSource) -> Iterator[Path]:
    """An image as a file, for libraries that take nothing else; a zip member in a temporary one, removed afterwards.

    Raises:
        HeadCTReadError: as `open_image`.
    """
    if not source.member:
        with open_image(source):
            yield Path(source.path)
        return
    # A name of its own: only the suffix, by which libraries tell formats, is the member's.
    suffixes = PurePosixPath(source.member.lower()).suffixes
    name = "volume" + "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(scratch_folder()), name)
            with path.open("wb") as file:
                _inflate(source, file)
        except OSError as error:
            raise HeadCTReadError(
                f"{source} cannot be unpacked into {tempfile.gettempdir()} ({error.strerror}); make room there.",
                Code.FAILED,
            ) from error
        yield path


def _inflate(source: ImageSource, target: BinaryIO) -> None:
    try:
        with open_member(source) as member:
            _copy(member, target, source)
    except (HeadCTReadError, OSError):
        raise
    except Exception as error:  # zipfile and zlib raise errors of many kinds on damaged archives
        raise HeadCTReadError(f"{source} is damaged ({first_line(error)}); copy the archive again.") from error


def _copy(stream: Any, target: BinaryIO, source: ImageSource) -> None:
    left = MAX_BYTES
    while block := stream.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise _too_large(source)
        target.write(block)


def _too_large(source: ImageSource) -> HeadCTReadError:
    return HeadCTReadError(
        f"{source} has more than {MAX_BYTES // 2**20} MiB, too much for a head CT; give a smaller reconstruction.",
        Code.TOO_LARGE,
    )
