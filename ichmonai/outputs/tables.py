"""Predictions as csv files."""

import csv
from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from ichmonai.labels import LOCATIONS

PROBABILITIES = ("p_ich", *(f"p_{name}" for name in LOCATIONS))
"""Columns of the probabilities: of a haemorrhage, and of each location if there is one."""


def probability_columns(probabilities: Tensor) -> dict[str, str]:
    """The four columns for probabilities (5,): normal, ich, deep, lobar, subtentorial."""
    return {name: f"{p:.6f}" for name, p in zip(PROBABILITIES, probabilities[1:].tolist(), strict=True)}


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, the columns in the order given, empty where a row lacks one; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)  # a kill leaves the old file or the new one, never half of one


def gather_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all processes in the dataset's order, as `ShardSampler` divided them: r, r + W, r + 2W and so on."""
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    parts: list = [None] * dist.get_world_size()
    dist.all_gather_object(parts, rows)
    return [row for row in chain.from_iterable(zip_longest(*parts)) if row is not None]
