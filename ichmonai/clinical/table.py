"""A csv of clinical data, and its rows as a network takes them."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ichmonai.clinical.columns import Column
from ichmonai.csv_cells import cell_text
from ichmonai.errors import InputError, first_line

KEYS = ("study", "patient")
"""Columns that say whose a row is; the first that there is."""


@dataclass(frozen=True)
class ClinicalRows:
    """The cells of a csv.

    Attributes:
        path: of the csv.
        key: one of `KEYS`, by which rows are joined.
        columns: names of the others, but for those of `KEYS`.
        cells: study or patient -> column -> text.
        numbers: study or patient -> line of the csv, from 1.
    """

    path: Path
    key: str
    columns: tuple[str, ...]
    cells: Mapping[str, Mapping[str, str]]
    numbers: Mapping[str, int]

    def key_of(self, item: Mapping[str, Any]) -> str:
        """The study or patient of an item of a datalist, or of a study to predict."""
        name = str(item[self.key])
        return name if name in self.cells else str(Path(name).resolve())


def read_rows(path: str | PathLike[str], keys: Collection[str] = KEYS) -> ClinicalRows:
    """Read a csv with one row a study.

    Args:
        path: of a csv with a column `study` (StudyInstanceUID, or the path of a file, perhaps relative to the csv) or
            `patient`, and further ones of numbers and categories; a cell that is empty, NA or NaN is missing.
        keys: those that rows can be joined by, such as the names that an item of a datalist has.

    Raises:
        InputError: it cannot be read, has no such column, or two rows are of the same study. No cell is quoted.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise InputError(f"{path} is not a readable csv file ({reason}); save it as UTF-8.") from error
    usable = [name for name in KEYS if name in keys]
    key = next((name for name in usable if name in header), "")
    columns = tuple(name for name in header if name not in KEYS)
    if not key:
        raise InputError(f"{path} lacks the column {' or '.join(usable)}, by which its rows are joined; add it.")
    if not columns:
        raise InputError(f"{path} has no column beside {key}; add one of numbers or categories.")
    if len(set(header)) < len(header) or "" in header:
        raise InputError(f"{path} has two columns of the same name, or one without a name; name each.")
    cells: dict[str, dict[str, str]] = {}
    numbers: dict[str, int] = {}
    for number, line in lines:
        if len(line) > len(header):
            raise InputError(f"{path} line {number} has more cells than the csv has columns; put texts in quotes.")
        row = dict(zip(header, map(cell_text, line), strict=False))
        name = row[key].strip()
        if not name:
            raise InputError(f"{path} line {number} has no {key}; say whose the row is.")
        name = str(image.resolve()) if (image := path.parent / name).exists() else name
        if name in numbers:
            raise InputError(f"{path} has two rows of one {key}, lines {numbers[name]} and {number}; leave one.")
        cells[name] = {column: row.get(column, "") for column in columns}
        numbers[name] = number
    return ClinicalRows(path, key, columns, cells, numbers)


class ClinicalTable:
    """Rows of a csv as the numbers that a network was trained with.

    Args:
        rows: of the csv.
        columns: of the network.

    Attributes:
        unknown: column -> cells with a category that the training did not see; they count as missing.

    Raises:
        InputError: a column is missing, or a cell of a number is none.
    """

    def __init__(self, rows: ClinicalRows, columns: Sequence[Column]) -> None:
        if missing := [one.name for one in columns if one.name not in rows.columns]:
            raise InputError(
                f"{rows.path} lacks the column {', '.join(missing)}, which the network was trained with; add it, empty "
                "where it is not known."
            )
        self.rows = rows
        self.columns = tuple(columns)
        self.unknown: Counter[str] = Counter()
        self.vectors = {key: self._encoded(key) for key in rows.cells}

    def _encoded(self, key: str) -> list[float]:
        numbers: list[float] = []
        for one in self.columns:
            cell = self.rows.cells[key][one.name]
            self.unknown[one.name] += one.is_unknown(cell)
            try:
                numbers += one.encode(cell)
            except ValueError as error:
                raise InputError(
                    f"{self.rows.path} line {self.rows.numbers[key]} has no number in the column {one.name}; correct "
                    "the cell, or empty it where it is not known."
                ) from error
        return numbers

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return sum(one.width for one in self.columns)

    def __call__(self, item: Mapping[str, Any]) -> list[float]:
        """The numbers of an item's study; zeros throughout, as of what is missing, where it has no row."""
        return self.vectors.get(self.rows.key_of(item), [0.0] * self.width)

    def known(self, item: Mapping[str, Any]) -> int:
        """How many columns have something of an item's study."""
        numbers, start, found = self(item), 0, 0
        for one in self.columns:
            found += any(numbers[start : start + one.width])
            start += one.width
        return found

    def notes(self, studies: Collection[str]) -> Iterator[str]:
        """What became of the rows, in sentences without a cell.

        Args:
            studies: names of those that were answered.
        """
        joined = {key for study in studies if (key := self.rows.key_of({self.rows.key: study})) in self.rows.cells}
        yield (
            f"Clinical data: {len(joined)} of {len(studies)} studies have a row; "
            f"{len(self.rows.cells) - len(joined)} rows are of no study that was answered."
        )
        if unknown := ", ".join(f"{name} {count}" for name, count in self.unknown.items() if count):
            yield f"Cells with a category that the training did not see count as missing: {unknown}."


def study_table(path: str | PathLike[str], columns: Sequence[Column]) -> ClinicalTable:
    """The clinical data of studies to predict.

    Args:
        path: of a csv, see `read_rows`, with the column `study`.
        columns: of the network.

    Raises:
        InputError: the network takes none, or the csv cannot be used.
    """
    if not columns:
        raise InputError(f"These weights take no clinical data, so {path} cannot be used; give others.")
    return ClinicalTable(read_rows(path, ["study"]), columns)
