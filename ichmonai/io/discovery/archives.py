"""Zip archives, read member by member without extraction."""

import functools
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ichmonai.errors import first_line
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.series import ImageSource, OtherFile, Rejection
from ichmonai.io.suffixes import OTHER_ARCHIVE_SUFFIXES, VOLUME_SUFFIXES, ZIP_SUFFIXES

MAX_MEMBERS = 500_000
"""Members of one archive; its directory is held in memory."""
MAX_DIRECTORY_BYTES = 2**27
"""Of the directory; an entry has 46 bytes and a name."""
MAX_NAME = 4096
"""Characters of a member's name, as many as file systems allow a path."""
MAX_MEMBER_BYTES = 4 * 2**30
"""Inflated size of one member: above it no head CT fits into memory as float32."""
MAX_TOTAL_BYTES = 256 * 2**30
"""Inflated size of all members: some five hundred thousand CT images."""
MAX_RATIO = 200
"""Inflated by stored size. CT images reach 5, images of nothing 1000, which is as far as DEFLATE goes: the ratio
counts only from `SUSPICIOUS_BYTES` on."""
SUSPICIOUS_BYTES = 64 * 2**20
_ENTRY = b"PK\1\2"


def list_members(path: str) -> Iterator[ImageSource | Rejection | OtherFile]:
    """The members of a zip archive in order of name: files that may be images, and those that are not opened.

    Sizes are those of the archive's directory; `zipfile` reads no more of a member than it declares.

    Args:
        path: of the archive.

    Raises:
        HeadCTReadError: where the archive is damaged (`UNREADABLE`), or is not opened at all (`UNSAFE_ARCHIVE`).
    """
    archive = open_archive(path)
    members = [info for info in archive.infolist() if not info.is_dir()]
    total = sum(info.file_size for info in members)
    if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES or _is_bomb(total, Path(path).stat().st_size):
        raise HeadCTReadError(
            f"{path} has {len(members)} members that would inflate to {total / 2**20:.0f} MiB, more than is opened; "
            "unpack it if you trust it.",
            Code.UNSAFE_ARCHIVE,
        )
    for info in sorted(members, key=lambda info: info.filename):
        source = ImageSource(path, info.filename)
        if archive.NameToInfo.get(info.filename) is not info:
            yield _reject(source, "stands twice in its archive", "unpack it")
        elif reason := _refused(info):
            yield _reject(source, *reason)
        elif any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(info.filename).parts):
            yield OtherFile(str(source))
        else:
            yield source


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


def _refused(info: zipfile.ZipInfo) -> tuple[str, str] | None:
    name = info.filename.replace("\\", "/")
    if len(name) > MAX_NAME:
        return f"has a name of {len(name)} characters", "pack it again"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return "has a name that leads out of its archive", "pack it again"
    if info.flag_bits & 1:
        return "is encrypted", "unpack it with its password"
    if info.file_size > MAX_MEMBER_BYTES or _is_bomb(info.file_size, info.compress_size):
        return f"would inflate from {info.compress_size} to {info.file_size} bytes", "unpack it if you trust it"
    nested = (*ZIP_SUFFIXES, *OTHER_ARCHIVE_SUFFIXES, ".gz", ".bz2", ".xz")
    if name.lower().endswith(nested) and not name.lower().endswith(VOLUME_SUFFIXES):
        return "is an archive inside an archive", "unpack it"
    return None


def _is_bomb(inflated: int, stored: int) -> bool:
    return inflated > SUSPICIOUS_BYTES and inflated > MAX_RATIO * max(stored, 1)


def _reject(source: ImageSource, what: str, advice: str) -> Rejection:
    finding = Finding(Code.UNSAFE_ARCHIVE, f"{source} {what} and is not opened; {advice}.")
    return Rejection(str(source), "", str(source), finding)
