"""Zip archives, read member by member without extraction."""

import functools
import io
import zipfile
from pathlib import Path
from typing import BinaryIO

from ichmonai.errors import first_line
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.limits import MAX_DIRECTORY_BYTES, MAX_MEMBERS
from ichmonai.io.series import ImageSource

_ENTRY = b"PK\1\2"


def open_member(source: ImageSource) -> BinaryIO:
    """A member as a stream; seekable, though backwards only by inflating it again.

    Raises:
        HeadCTReadError: where the archive is damaged or has no such member.
    """
    try:
        return open_archive(source.path).open(source.member)  # type: ignore[return-value]
    except HeadCTReadError:
        raise
    except Exception as error:  # zipfile raises errors of many kinds on damaged archives
        raise HeadCTReadError(f"{source} cannot be opened ({first_line(error)}); copy the archive again.") from error


def size_of(source: ImageSource) -> int:
    """Bytes of a file, or of a member as its archive tells.

    Raises:
        HeadCTReadError: where the archive is damaged.
        OSError: where the file is gone.
    """
    if source.member:
        return open_archive(source.path).getinfo(source.member).file_size
    return Path(source.path).stat().st_size


def open_archive(path: str) -> zipfile.ZipFile:
    """An archive; the last one stays open, since its directory takes long to read where it has many members.

    Raises:
        HeadCTReadError: where it is damaged.
    """
    try:
        state = Path(path).stat()
        return _open(path, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
    except OSError as error:
        raise HeadCTReadError(f"{path} cannot be opened ({error.strerror}); check it and its permissions.") from error
    except HeadCTReadError:
        raise
    except Exception as error:
        raise HeadCTReadError(f"{path} is a damaged zip archive ({first_line(error)}); copy it again.") from error


def close_archives() -> None:
    """Close the archive that `open_archive` keeps."""
    _open.cache_clear()


@functools.lru_cache(maxsize=1)
def _open(path: str, _mtime: int, _ctime: int, _size: int) -> zipfile.ZipFile:
    return _Archive(path)


class _Archive(zipfile.ZipFile):
    """A zip archive whose directory is looked at before it is parsed: what it declares and what it has may differ."""

    def __init__(self, path: str) -> None:
        self._stream = _Stream(io.FileIO(path), path)
        try:
            super().__init__(self._stream)
        except BaseException:
            self._stream.close()
            raise
        self._stream.is_listed = True

    def close(self) -> None:
        """Close the file as well, which `zipfile` leaves open where it did not open it."""
        super().close()
        self._stream.close()


class _Stream(io.BufferedReader):
    is_listed = False

    def __init__(self, raw: io.FileIO, path: str) -> None:
        super().__init__(raw)
        self._path = path

    def read(self, size: int | None = -1) -> bytes:
        if self.is_listed:
            return super().read(size)
        content = super().read(
            MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY_BYTES + 1)
        )
        if len(content) > MAX_DIRECTORY_BYTES or content.count(_ENTRY) > MAX_MEMBERS:
            raise HeadCTReadError(
                f"{self._path} has a directory of more than {MAX_MEMBERS} members or "
                f"{MAX_DIRECTORY_BYTES // 2**20} MiB, more than is opened; unpack it if you trust it.",
                Code.UNSAFE_ARCHIVE,
            )
        return content
