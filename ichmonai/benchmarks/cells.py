"""Cells of the csv files of public sets."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import InputError
from ichmonai.evaluation.tables import Table, read_table

_LARGEST = 10**6


def labelled(path: Path, columns: tuple[str, ...], download: str) -> Table:
    """Read the csv of a set's labels.

    Args:
        path: of the csv.
        columns: that it must have.
        download: where the set is from, for the sentence.

    Raises:
        InputError: it is not there, cannot be read, or lacks a column.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the folder of {download} as it was unpacked.")
    table = read_table(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}; give the file of {download}.")
    return table


def zero_or_one(table: Table, name: str, empty: bool = False) -> NDArray[np.int64]:
    """A column of labels (N,): 0 or 1, and -1 for an empty cell where those are allowed.

    Raises:
        InputError: a cell holds something else, or is empty.
    """
    values = table.numbers(name)
    wrong = ~(np.isin(values, (0, 1)) | ((table.columns[name] == "") & empty))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"{table.line(row)}: {name} is '{table.columns[name][row]}'; give 0 or 1.")
    return np.where(np.isnan(values), -1, values).astype(np.int64)


def whole(table: Table, name: str, least: int) -> NDArray[np.int64]:
    """A column of whole numbers (N,).

    Raises:
        InputError: a cell holds something else, or less than `least`.
    """
    values = table.numbers(name)
    wrong = ~((values >= least) & (values < _LARGEST) & (values == np.round(values)))  # nan is none of these
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table.line(row)}: {name} is '{table.columns[name][row]}'; give a whole number from {least}."
        )
    return values.astype(np.int64)
