"""The members of zip archives: which may be images, and which are not opened."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ichmonai.io.files.archives import open_archive
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.formats import suffixes_of
from ichmonai.io.header import Kind
from ichmonai.io.limits import MAX_MEMBER_BYTES, MAX_MEMBERS, MAX_NAME, MAX_RATIO, MAX_TOTAL_BYTES, SUSPICIOUS_BYTES
from ichmonai.io.series import ImageSource, OtherFile, Rejection

ZIP_SUFFIXES = (".zip",)
OTHER_ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
"""Archives that may hold images and are not opened."""


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
    if name.lower().endswith(nested) and not name.lower().endswith(suffixes_of(Kind.VOLUME)):
        return "is an archive inside an archive", "unpack it"
    return None


def _is_bomb(inflated: int, stored: int) -> bool:
    return inflated > SUSPICIOUS_BYTES and inflated > MAX_RATIO * max(stored, 1)


def _reject(source: ImageSource, what: str, advice: str) -> Rejection:
    finding = Finding(Code.UNSAFE_ARCHIVE, f"{source} {what} and is not opened; {advice}.")
    return Rejection(str(source), "", str(source), finding)
