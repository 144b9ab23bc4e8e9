"""The folder of a batch's results."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ichmonai.errors import InputError

FREE_SPACE = 200 * 2**20
"""Bytes that must be free there."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder, find it writable, and hold it against a second run.

    Raises:
        InputError: when one of the three fails, or the disk is nearly full.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
        free = shutil.disk_usage(folder).free
        lock.acquire()
    except Timeout as error:
        raise InputError(f"Another run is writing to {folder}; wait for it, or choose another folder.") from error
    except OSError as error:
        raise InputError(f"Cannot write to {folder} ({error.strerror}); choose another folder.") from error
    try:
        if free < FREE_SPACE:
            raise InputError(
                f"{folder} has {free / 2**20:.0f} MB free, and {FREE_SPACE / 2**20:.0f} MB are needed; make room."
            )
        yield
    finally:
        lock.release()
