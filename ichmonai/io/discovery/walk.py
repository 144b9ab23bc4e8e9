"""The files below the inputs, in order of name, each real file once."""

import contextlib
import csv
import itertools
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from ichmonai.csv_cells import cell_text
from ichmonai.errors import first_line
from ichmonai.io.discovery.dicomdir import count_directory, is_directory_file, referenced_files
from ichmonai.io.discovery.members import OTHER_ARCHIVE_SUFFIXES, ZIP_SUFFIXES, list_members
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.limits import MAX_ROW
from ichmonai.io.series import ImageSource, OtherFile, Rejection, reject

logger = logging.getLogger(__name__)

_CSV_COLUMNS = ("path", "image")


class Candidate(NamedTuple):
    """A file or member that may be an image.

    Attributes:
        source: where it is.
        named: whether it was named, by itself or in a csv or DICOMDIR, so that it has to be an image.
    """

    source: ImageSource
    named: bool = False


class Begin(NamedTuple):
    """What follows, up to `End`, is from one folder or archive."""

    path: str


class End(NamedTuple):
    """End of a folder or archive.

    Attributes:
        path: of it.
        complete: whether it gave all its files, and none was left out because it was taken before.
    """

    path: str
    complete: bool


Step = Candidate | Rejection | OtherFile | Begin | End


class Walk:
    """The files below inputs.

    Symbolic links are followed, but no folder is entered twice, so that loops end; a file that is reached twice is
    given once. What grows with the number of files is only the set of those that were reached by a link or by name.
    """

    def __init__(self) -> None:
        self._folders: set[tuple[int, int]] = set()
        self._files: set[tuple[int, int]] = set()
        self._skipped = 0

    def inputs(self, paths: Iterable[str]) -> Iterator[Step]:
        """Go through files, folders, archives, DICOMDIR and csv files."""
        for path in paths:
            yield from self._named(path, lists=True)

    def _named(self, path: str, lists: bool = False) -> Iterator[Step]:
        """One path that was named; `lists`: whether it may be a csv or DICOMDIR that names others."""
        try:
            state = os.stat(path)  # noqa: PTH116  (pathlib raises ValueError on some names)
        except FileNotFoundError:
            yield reject(path, f"{path} does not exist; check the path.")
            return
        except (OSError, ValueError) as error:
            yield reject(path, f"{path} cannot be opened ({_reason(error)}); check the path and its permissions.")
            return
        if stat.S_ISDIR(state.st_mode):
            yield from self._folder(path, state)
        elif not stat.S_ISREG(state.st_mode):
            yield reject(path, f"{path} is no regular file; give a file or a folder.")
        elif lists and path.lower().endswith(".csv"):
            yield from self._csv(path)
        elif lists and (Path(path).name.upper() == "DICOMDIR" or is_directory_file(path)):
            yield from self._dicomdir(path, missing_only=False)
        elif self._take(path, state):
            yield from self._file(path, named=True)

    def _folder(self, top: str, state: os.stat_result) -> Iterator[Step]:
        if not self._enter(top, state):
            return
        skipped = self._skipped
        yield Begin(top)
        levels: list[Iterator[os.DirEntry]] = []
        entered: str | None = top
        while levels or entered is not None:
            if entered is not None:
                try:
                    with os.scandir(entered) as entries:
                        levels.append(iter(sorted(entries, key=lambda entry: entry.name)))
                except OSError as error:
                    yield reject(entered, f"{entered} cannot be listed ({_reason(error)}); check its permissions.")
                entered = None
                continue
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
                continue
            if entry.name.startswith("."):  # what systems keep beside a file (._scan.nii.gz) or for themselves
                yield OtherFile(entry.path)
                continue
            try:
                state = entry.stat()
            except OSError as error:
                kind = "link that leads nowhere" if entry.is_symlink() else "file that cannot be opened"
                yield reject(entry.path, f"{entry.path} is a {kind} ({_reason(error)}); mend or remove it.")
                continue
            if stat.S_ISDIR(state.st_mode):
                entered = entry.path if self._enter(entry.path, state) else None
            elif not stat.S_ISREG(state.st_mode):  # a pipe would never end
                yield reject(entry.path, f"{entry.path} is a pipe, socket or device, and no file; remove it.")
            elif entry.name.upper() == "DICOMDIR":
                yield from self._dicomdir(entry.path, missing_only=True)
            elif self._take(entry.path, state, plain=not entry.is_symlink()):
                yield from self._file(entry.path, named=False)
        yield End(top, complete=self._skipped == skipped)

    def _file(self, path: str, named: bool) -> Iterator[Step]:
        name = path.lower()
        if name.endswith(OTHER_ARCHIVE_SUFFIXES):
            yield reject(
                path, f"{path} is an archive of a kind that is not opened; unpack it or make it a zip archive."
            )
        elif not name.endswith(ZIP_SUFFIXES):
            yield Candidate(ImageSource(path), named)
        else:
            yield Begin(path)
            try:
                for member in list_members(path):
                    yield Candidate(member) if isinstance(member, ImageSource) else member
            except HeadCTReadError as error:
                yield reject(path, str(error), error.code)
            except Exception as error:  # one archive never ends a batch
                yield reject(path, f"{path} cannot be read ({first_line(error)}); unpack it or copy it again.")
            yield End(path, complete=True)

    def _csv(self, path: str) -> Iterator[Step]:
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                lines = _Lines(file)
                rows = csv.reader(lines)
                first = next(rows, [])
                names = [name.strip().lower() for name in first]
                column = next((names.index(name) for name in _CSV_COLUMNS if name in names), None)
                if column is None and len(first) > 1:
                    yield reject(
                        path, f"{path} has no column {' or '.join(_CSV_COLUMNS)}; name the column of paths so."
                    )
                    return
                listed = 0
                for row in rows if column is not None else itertools.chain([first], rows):
                    lines.row = 0
                    if len(row) > (column or 0) and (name := cell_text(row[column or 0]).strip()):
                        listed += 1
                        yield from self._named(str(Path(path).parent / name))
        except Exception as error:  # one list never ends a batch
            yield reject(path, f"{path} is not a readable csv file ({_reason(error)}); write it as UTF-8.")
            return
        if not listed:
            yield reject(path, f"{path} names no files; give a csv with a column of paths.", Code.EMPTY)

    def _dicomdir(self, path: str, missing_only: bool) -> Iterator[Step]:
        if missing_only:
            yield from count_directory(path)
            return
        for found in referenced_files(path):
            if isinstance(found, Rejection):
                yield found
            else:
                yield from self._named(found)

    def _enter(self, path: str, state: os.stat_result) -> bool:
        key = (state.st_dev, state.st_ino)
        if key in self._folders:
            self._skip(path)
            return False
        self._folders.add(key)
        return True

    def _take(self, path: str, state: os.stat_result, plain: bool = False) -> bool:
        """Whether a file was not reached before; `plain`: it is no link, and reached through its folder."""
        key = (state.st_dev, state.st_ino)
        if key in self._files:
            self._skip(path)
            return False
        if not plain:
            real = Path(os.path.realpath(path))
            with contextlib.suppress(OSError):
                folder = real.parent.stat()
                if (folder.st_dev, folder.st_ino) in self._folders and not real.name.startswith("."):
                    self._skip(path)  # its own folder gives it
                    return False
        if not plain or state.st_nlink > 1:
            self._files.add(key)
        return True

    def _skip(self, path: str) -> None:
        self._skipped += 1
        logger.debug("%s was reached before.", path)


class _Lines:
    """Lines of a csv, none longer than a row may be: one that never ends would fill the memory.

    Attributes:
        row: characters of the present row; a quoted field can have many lines.
    """

    def __init__(self, file: TextIO) -> None:
        self.row = 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_ROW + 1):
            self.row += len(line)
            if self.row > MAX_ROW:
                raise csv.Error(f"a row has more than {MAX_ROW} characters")
            yield line


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or first_line(error)
