"""The folder of a batch's results."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ichmonai.errors import InputError
from ichmonai.private_files import FILE_MODE, make_folder

FREE_SPACE = 200 * 2**20
"""Bytes that must be free there, and in the folder of temporary files."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder, find it writable, and hold it against a second run.

    Raises:
        InputError: when one of the three fails, or a disk is nearly full: that of the folder, or that of temporary
            files, through which prepared studies go to the network.
    """
    lock = FileLock(folder / ".lock", timeout=0, mode=FILE_MODE)
    try:
        make_folder(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
        free = {place: shutil.disk_usage(place).free for place in (folder, Path(tempfile.gettempdir()))}
        lock.acquire()
    except Timeout as error:
        raise InputError(f"Another run is writing to {folder}; wait for it, or choose another folder.") from error
    except OSError as error:
        raise InputError(f"Cannot write to {folder} ({error.strerror}); choose another folder.") from error
    try:
        for place, space in free.items():
            if space < FREE_SPACE:
                raise InputError(
                    f"{place} has {space / 2**20:.0f} MB free, and {FREE_SPACE / 2**20:.0f} MB are needed; make room."
                )
        yield
    finally:
        lock.release()
