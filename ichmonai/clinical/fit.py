"""Kinds, standardisation and categories of clinical columns, from the studies of a training."""

import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ichmonai.clinical.columns import MISSING, Column, folded, number_of
from ichmonai.clinical.table import ClinicalRows
from ichmonai.errors import InputError

MOST_VALUES = 10
"""Categories of a column; what has more is a name, a date or free text."""

FEWEST_ROWS = 3
"""Studies that a category must be seen in: fewer teach nothing, and would stand in `model.json` all the same."""


def fit_columns(
    rows: ClinicalRows, items: Sequence[Mapping[str, Any]], names: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Kind, standardisation and categories of the columns, from the studies that a network is trained on alone.

    A column of which every cell is a number is one; any other is a category, of whose values those of fewer than
    `FEWEST_ROWS` studies are left out.

    Args:
        rows: of the csv.
        items: training slices.
        names: of the columns to take; all unless given.

    Returns:
        Records of the columns, see `Column.record`, in the order of the csv.

    Raises:
        InputError: a column is not there, has nothing in the training studies, or is free text.
    """
    if missing := sorted(set(names or ()) - set(rows.columns)):
        raise InputError(f"{rows.path} has no column {missing[0]}; it has {', '.join(rows.columns)}.")
    known = dict.fromkeys(key for item in items if (key := rows.key_of(item)) in rows.cells)
    chosen = [name for name in rows.columns if names is None or name in names]
    return [_fitted(rows, name, [rows.cells[key][name] for key in known]).record() for name in chosen]


def _fitted(rows: ClinicalRows, name: str, cells: Sequence[str]) -> Column:
    texts = [text for text in map(folded, cells) if text not in MISSING]
    if not texts:
        raise InputError(f"{rows.path} has nothing in the column {name} for a training study; leave the column out.")
    numbers = [number for number in map(number_of, texts) if number is not None]
    if len(numbers) == len(texts):
        mean = statistics.fmean(numbers)
        return Column(name, mean, statistics.pstdev(numbers, mean) or 1.0)
    counts = Counter(texts)
    if len(counts) > MOST_VALUES:
        raise InputError(
            f"{rows.path} has {len(counts)} different texts in the column {name}, and a category may have "
            f"{MOST_VALUES}; write numbers alone, or leave the column out."
        )
    values = tuple(sorted(text for text, count in counts.items() if count >= FEWEST_ROWS))
    if not values:
        raise InputError(
            f"{rows.path} has no category in the column {name} that {FEWEST_ROWS} training studies share; leave the "
            "column out."
        )
    return Column(name, values=values)
