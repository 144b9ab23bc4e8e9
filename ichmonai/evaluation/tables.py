"""csv files of predictions and truth: read, checked and matched row by row."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ichmonai.csv_cells import cell_text
from ichmonai.errors import InputError, first_line
from ichmonai.tables import KIND_PROBABILITIES

Strings = NDArray[np.str_]

STUDY_KEYS = (("study", "series"), ("study",))
KEYS = (("sop_instance_uid",), ("image",), ("study", "series", "slice"), ("study", "slice"), *STUDY_KEYS)
"""Columns that identify a row, of slices and of series; the first of these that both files have is used."""


@dataclass(frozen=True)
class Table:
    """Columns of a csv file.

    Attributes:
        name: file name, for messages.
        columns: column -> (N,) cells, stripped of spaces and of what `csv_cell` put before them.
        folder: that relative paths in the cells start from.
        sha256: of the file; "" for rows that were never in one.
        rows: (N,) of the file, where some were left out.
        temperature: head -> what its logits were divided by for these probabilities, as the `run.json` of a prediction
            beside the file says; a head that is absent is as the network gave it.
    """

    name: str
    columns: Mapping[str, Strings]
    folder: Path = Path()
    sha256: str = ""
    rows: NDArray[np.int64] | None = None
    temperature: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def has(self, *names: str) -> bool:
        """Whether all these columns are there and none of their cells is empty."""
        return all(name in self.columns and bool((self.columns[name] != "").all()) for name in names)

    def line(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.name}, line {self.line_number(row)}"

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, nan where the cell is empty.

        Raises:
            InputError: a cell holds something else.
        """
        cells = self.columns[name]
        try:
            return np.where(cells == "", "nan", cells).astype(np.float64)
        except ValueError:
            for row, cell in enumerate(cells):
                try:
                    float(cell or "nan")
                except ValueError:
                    raise InputError(f"{self.line(row)}: {name} is '{cell}'; give a number.") from None
            raise

    def take(self, rows: NDArray) -> "Table":
        """Some of the rows."""
        kept = (np.arange(len(self)) if self.rows is None else self.rows)[rows]
        return replace(self, columns={k: v[rows] for k, v in self.columns.items()}, rows=kept)

    def line_number(self, row: int) -> int:
        """Line of the file that a row stands in."""
        return (row if self.rows is None else int(self.rows[row])) + 2


def read_table(path: str | PathLike) -> Table:
    """Read a csv file with a header.

    Raises:
        InputError: it cannot be read, has no rows, a column twice, or a line with more or fewer cells than columns; or
            the `run.json` beside probabilities cannot be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        rows = list(csv.reader(StringIO(content.decode("utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as csv ({first_line(error)}); give a csv file in UTF-8.") from error
    if len(rows) < 2:
        raise InputError(f"{path} has no rows; give a csv file with a header and a row for each slice or study.")
    header = [name.strip() for name in rows[0]]
    if len(set(header)) < len(header):
        raise InputError(f"{path} has a column twice in {', '.join(header)}; name each once.")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line} has {len(row)} cells for {len(header)} columns; mend the line.")
    cells = zip(*rows[1:], strict=True)
    columns = {
        name: np.array([cell_text(cell).strip() for cell in column], dtype=np.str_)
        for name, column in zip(header, cells, strict=True)
    }
    for name in KIND_PROBABILITIES:
        if name in columns and not (columns[name] != "").any():
            del columns[name]  # of a network that does not say kinds
    digest = hashlib.sha256(content).hexdigest()
    temperature = _temperature(path, digest) if any(name.startswith("p_") for name in columns) else {}
    return Table(path.name, columns, path.parent, digest, temperature=temperature)


def _temperature(predictions: Path, digest: str) -> dict[str, float]:
    run = predictions.with_name("run.json")
    if not run.is_file():
        return {}
    try:
        record = json.loads(run.read_text(encoding="utf-8"))
        temperature = {head: float(t) for head, t in record.get("temperature", {}).items()}
        tables = dict(record.get("tables", {}))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{run} does not say at which temperature {predictions.name} was predicted ({first_line(error)}); predict "
            "again, or keep the table in a folder of its own."
        ) from error
    if temperature and tables.get(predictions.name) != digest:
        raise InputError(
            f"{run} is of another table than {predictions.name} as it stands beside it, so that the temperature of its "
            "probabilities is not known; predict again, or keep the table in a folder of its own."
        )
    return temperature


def match(predictions: Table, truth: Table) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Find each prediction's row of truth.

    Paths in `image` may differ in their folders: where no path is equal and file names are unique, names are compared.
    Several slices may match one row of truth that is of a study.

    Args:
        predictions: rows to find.
        truth: rows to find them in.

    Returns:
        Columns that were compared, and (N,) row of truth or -1.

    Raises:
        InputError: there is no common column, a row stands twice, or nothing matches.
    """
    tried = []
    for key in KEYS:
        if not (predictions.has(*key) and truth.has(*key)):
            continue
        tried.append(" and ".join(key))
        left, right = identities(predictions, key), identities(truth, key)
        found = _lookup(left, right)
        if key == ("image",) and (found < 0).all():
            left, right = _names(left), _names(right)
            if len(set(left)) == len(left) and len(set(right)) == len(right):
                found = _lookup(left, right)
        if (found >= 0).any():
            refuse_duplicates(truth, key)
            return key, found
    needed = " or ".join(" and ".join(key) for key in KEYS)
    if not tried:
        raise InputError(f"{predictions.name} and {truth.name} share no column that names a row; give both {needed}.")
    raise InputError(
        f"No row of {predictions.name} is in {truth.name} by {', or by '.join(tried)}; look whether they are of the "
        "same slices."
    )


def identities(table: Table, key: Sequence[str]) -> Strings:
    """What identifies each row by these columns; slice numbers as numbers, so that 07 is 7."""
    parts = [
        np.char.mod("%g", table.numbers(name)) if name == "slice" else np.char.replace(table.columns[name], "\\", "/")
        for name in key
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = np.char.add(np.char.add(joined, "\n"), part)
    return joined


def refuse_duplicates(table: Table, key: Sequence[str]) -> None:
    """Refuse a table in which a row stands twice.

    Raises:
        InputError: naming the first such row.
    """
    names, first, count = np.unique(identities(table, key), return_index=True, return_counts=True)
    if (count > 1).any():
        twice = int(np.argmax(count > 1))
        second = int(np.flatnonzero(identities(table, key) == names[twice])[1])
        raise InputError(
            f"{table.line(second)} has the {' and '.join(key)} of line {table.line_number(first[twice])} again "
            f"({int((count - 1).sum())} such rows); keep one of them."
        )


def _names(paths: Strings) -> Strings:
    return np.array([path.rsplit("/", 1)[-1] for path in paths], dtype=np.str_)


def _lookup(left: Strings, right: Strings) -> NDArray[np.int64]:
    row_of = {key: row for row, key in reversed(list(enumerate(right.tolist())))}
    return np.array([row_of.get(key, -1) for key in left.tolist()], dtype=np.int64)
