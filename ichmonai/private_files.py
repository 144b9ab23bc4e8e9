"""Files that name patients' images: for their owner alone, and whole or not there."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are absent, whatever the umask; others are left as they are."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(FOLDER_MODE)
    path.mkdir(exist_ok=True)  # says it where a file is in the way
    for folder in missing:
        folder.chmod(FOLDER_MODE)


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Write a file beside `path` that takes its place at the end: a kill leaves the old file or the new one.

    It is on the disk before: else a crash of the machine could leave an empty file of that name.

    Args:
        path: file to write; its folder exists.
        mode: `w` or `wb`.
        options: as `open` takes them.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # of a run that was killed, or a link that leads elsewhere
    try:
        with os.fdopen(create(partial), mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def create(path: Path) -> int:
    """Make a file that is not there yet, and open it for writing: its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), FILE_MODE)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; the folder is made."""
    make_folder(path.parent)
    with replacing(path, encoding="utf-8", newline="\n") as file:
        file.write(text)
