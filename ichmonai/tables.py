"""Tables as csv files, and their columns of probabilities."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.csv_cells import csv_cell
from ichmonai.private_files import make_folder, replacing

PROBABILITIES = ("p_ich", *(f"p_{name}" for name in LOCATIONS))
"""Columns of the probabilities: of a haemorrhage, and of each location if there is one."""


KIND_PROBABILITIES = tuple(f"p_{name}" for name in KINDS)
"""Columns of the probability of each kind; empty where the network does not say them."""


VOLUMES = ("volume_ml", "volume_low_ml", "volume_high_ml", *(f"volume_{name}_ml" for name in KINDS))
"""Columns of the volume of blood that a network marks: all, what it is surer of, what may be, and each kind; empty
where it makes no mask."""

AREAS = ("area_mm2", *(f"area_{name}_mm2" for name in KINDS))
"""Columns of the same on a slice."""


def probability_columns(probabilities: Tensor) -> dict[str, str]:
    """The columns for probabilities (5,): normal, ich, deep, lobar, subtentorial; or (10,), with the kinds."""
    names = PROBABILITIES + KIND_PROBABILITIES[: len(probabilities) - 1 - len(PROBABILITIES)]
    return {name: f"{p:.6f}" for name, p in zip(names, probabilities[1:].tolist(), strict=True)}


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, the columns in the order given, empty where a row lacks one; the folder is made."""
    make_folder(path.parent)
    with replacing(path, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
