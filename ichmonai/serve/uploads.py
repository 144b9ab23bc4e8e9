"""What is uploaded goes to the disk as it comes, under limits."""

import os
import re
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from ichmonai.errors import InputError
from ichmonai.prediction.folder import FREE_SPACE
from ichmonai.private_files import create, make_folder
from ichmonai.serve.options import MB, ServeOptions
from ichmonai.serve.store import RUNNING, UPLOADING, Store

_LONGEST = 150
"""Characters of a part of a path."""
_DEEPEST = 12
"""Folders of a path."""


class TooLargeError(InputError):
    """More than there may be."""


def safe_path(name: str) -> PurePosixPath:
    """Where in an upload a file goes that a browser calls so.

    Folders stay, since they tell series apart; what is no letter, digit or one of `._- ` becomes `_`.

    Args:
        name: relative path with slashes.

    Returns:
        A relative path that does not lead out.

    Raises:
        InputError: it is no such name.
    """
    parts = [part for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or len(parts) > _DEEPEST or ".." in parts or any(len(part) > _LONGEST for part in parts):
        raise InputError("A file's name is missing, too long or leads out of its folder; rename it.")
    return PurePosixPath(*(re.sub(r"[^\w.\- ]", "_", part).lstrip(".") or "_" for part in parts))


class Intake:
    """Takes uploads.

    Args:
        store: of the server.
        options: its limits.
    """

    def __init__(self, store: Store, options: ServeOptions) -> None:
        self.store, self.options = store, options
        self.arriving = 0

    def check(self, upload: str, size: int, arrived: int = 0) -> None:
        """Find that there is room for a file.

        Args:
            upload: that it is of.
            size: bytes, as far as they are known.
            arrived: those of them that are on the disk already.

        Raises:
            InputError: there is no such upload, or it does not take files any more.
            TooLargeError: there is no room.
        """
        found = self.store.upload(upload)
        if found is None or found["state"] != UPLOADING:
            raise InputError("This upload takes no more files; begin a new one.")
        if found["files"] >= self.options.upload_files:
            raise TooLargeError(f"An upload has {self.options.upload_files} files at most; divide it.")
        if found["bytes"] + size > self.options.upload_bytes:
            raise TooLargeError(f"An upload has {self.options.upload_bytes // MB} MB at most; divide it.")
        if self.store.used_bytes() + self.arriving - arrived + size > self.options.quota_bytes:
            raise TooLargeError("The server is full; delete studies, or start it with a larger --quota.")
        if shutil.disk_usage(self.options.data).free - (size - arrived) < FREE_SPACE:
            raise TooLargeError("The server's disk is full; delete studies.")

    async def take(self, upload: str, name: str, chunks: AsyncIterator[bytes], declared: int = 0) -> int:
        """Write a file, piece by piece.

        Args:
            upload: that it is of.
            name: what the browser calls it, see `safe_path`.
            chunks: its bytes.
            declared: how many, where that was said.

        Returns:
            Its bytes.

        Raises:
            InputError: it cannot be taken; nothing of it stays.
        """
        path = _free(self.store.place(upload) / "files" / safe_path(name))
        self.check(upload, declared)
        make_folder(path.parent)
        size = 0
        try:
            with os.fdopen(create(path), "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    self.arriving += len(chunk)
                    if size > declared and size // MB != (size - len(chunk)) // MB:  # every megabyte that was not said
                        self.check(upload, size, size)
                    file.write(chunk)
            self.check(upload, size, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            self.arriving -= size
        self.store.add_file(upload, size)
        return size


def remove_upload(store: Store, upload: str) -> bool:
    """Delete an upload with all its files, answers and pictures; whether it could be: what is at work cannot."""
    if not store.remove(upload):
        return False
    shutil.rmtree(store.place(upload), ignore_errors=True)
    return True


def remove_old(store: Store, keep_days: float | None) -> int:
    """Delete what is older than is kept, uploads that nobody ended, and files that are no upload's.

    Returns:
        How many uploads.
    """
    now = time.time()
    removed = 0
    for one in store.uploads():
        abandoned = one["state"] == UPLOADING and now - one["touched"] > 86_400
        old = keep_days is not None and now - one["created"] > keep_days * 86_400
        if (abandoned or old) and one["state"] != RUNNING:
            removed += remove_upload(store, one["id"])
    folder = store.folder / "uploads"
    there = list(folder.iterdir()) if folder.is_dir() else []  # before: an upload is known before it has a folder
    known = {one["id"] for one in store.uploads()}
    for left in there:
        if left.name not in known:  # its removal was cut short
            shutil.rmtree(left, ignore_errors=True)
    return removed


def _free(path: Path) -> Path:
    """The path, or one beside it where it is taken; the suffix stays, by which formats are told."""
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_name(f"{number}-{path.name}")
    return found
