"""Folders for what is on the disk for moments only, such as prepared images."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ichmonai.processes.guard import guard_folder

PREFIX = "ichmonai-"
_LOCK = ".owner"
_BEGINS = 60.0
"""Seconds that a new folder may be without its lock."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed in the end; where this process is killed, by its guard, or by the next that needs one.

    Yields:
        The folder, which nobody else can read.
    """
    place = Path(tempfile.gettempdir())
    remove_abandoned(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    lock = FileLock(folder / _LOCK)
    lock.acquire()
    guard_folder(str(folder))
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(place: Path) -> None:
    """Remove scratch folders of this user that no process holds: process and guard were both killed."""
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            state = folder.lstat()
            mine = not hasattr(os, "getuid") or state.st_uid == os.getuid()
            if not folder.is_dir() or folder.is_symlink() or not mine or time.time() - state.st_mtime < _BEGINS:
                continue
            if (folder / _LOCK).exists():
                with FileLock(folder / _LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
