"""Cohorts with known answers, as tables and as csv files."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ichmonai.evaluation.tables import Table

LOCATIONS = ("deep", "lobar", "subtentorial")


def cohort_columns(
    patients: int = 60, slices: int = 6, seed: int = 0, sharpness: float = 1.0, prefix: str = "p"
) -> dict:
    """Slices in order of patients, every second of whom bleeds in the upper half of their slices."""
    generator = np.random.default_rng(seed)
    patient, position = np.divmod(np.arange(patients * slices), slices)
    ich = ((patient % 2 == 1) & (position >= slices // 2)).astype(int)
    location = np.where(ich == 1, patient // 2 % 3, -1)
    effect = generator.normal(size=patients)[patient]
    score = 1 / (1 + np.exp(-sharpness * (2.5 * ich - 1.2 + 0.7 * effect + generator.normal(size=len(ich)))))
    logits = generator.normal(size=(len(ich), 3))
    logits[np.arange(len(ich)), location.clip(0)] += 1.5
    places = np.exp(sharpness * logits)
    places /= places.sum(axis=1, keepdims=True)
    return {
        "image": [f"{prefix}{p:03d}_{s:02d}.png" for p, s in zip(patient, position, strict=True)],
        "study": [f"{prefix}{p:03d}/1.2.{p}" for p in patient],
        "slice": [str(s) for s in position],
        "patient": [f"{prefix}{p:03d}" for p in patient],
        "ich": [str(i) for i in ich],
        "location": [LOCATIONS[k] if k >= 0 else "" for k in location],
        "p_ich": [f"{p:.6f}" for p in score],
        **{f"p_{name}": [f"{p:.6f}" for p in places[:, k]] for k, name in enumerate(LOCATIONS)},
        "age": [str(20 + 7 * p % 70) for p in patient],
        "scanner": ["GE" if p % 3 else "Canon" for p in patient],
    }


@pytest.fixture
def columns() -> Callable[..., dict]:
    """`cohort_columns`."""
    return cohort_columns


@pytest.fixture
def table() -> Callable[..., Table]:
    """A table of these columns, by default a cohort without the columns left out."""

    def make(columns: dict | None = None, without: tuple[str, ...] = (), name: str = "rows.csv", **cohort) -> Table:
        columns = cohort_columns(**cohort) if columns is None else columns
        return Table(name, {k: np.array(v, dtype=np.str_) for k, v in columns.items() if k not in without})

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write some columns to a csv file."""

    def write_file(name: str, columns: dict, only: tuple[str, ...] | None = None) -> Path:
        names = tuple(columns) if only is None else only
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows(zip(*(columns[n] for n in names), strict=True))
        return tmp_path / name

    return write_file
