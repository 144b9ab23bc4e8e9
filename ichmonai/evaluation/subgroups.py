"""The same metrics for parts of the cases."""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import InputError
from ichmonai.evaluation.cases import Cases
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.metrics import binary_estimator
from ichmonai.evaluation.tables import Strings

FEWEST = 10
"""Patients with (and without) the label that a group needs; with fewer, chance would speak louder than the group."""
UNKNOWN = "unknown"

_SHOWN = ("sensitivity", "specificity", "ppv", "npv", "auc")
_AGES = (18, 40, 65, 80)
_MOST_VALUES = 8


@dataclass(frozen=True)
class Subgroup:
    """One group of the cases.

    Attributes:
        group: value of the column, or its range.
        n: cases with a known truth.
        patients: how many they are of.
        positives: cases with the label.
        positive_patients: patients with the label in any case.
        negative_patients: patients with a case without it.
        metrics: sensitivity, specificity, PPV, NPV and AUC; None where there are too few patients for it.
    """

    group: str
    n: int
    patients: int
    positives: int
    positive_patients: int
    negative_patients: int
    metrics: dict[str, Estimate | None]


def subgroup_metrics(cases: Cases, head: str, column: str, n: int, seed: int) -> list[Subgroup]:
    """Metrics of a label at threshold 0.5 in each group of a column.

    Sensitivity needs 10 patients with the label, specificity 10 without, the other metrics both.

    Args:
        cases: with the column.
        head: label.
        column: its name. `age` (years, or DICOM's 063Y) falls into bands at 18, 40, 65 and 80 years, other numbers of
            more than eight different values into quarters.
        n: draws of the intervals.
        seed: of the draws.

    Raises:
        InputError: there is no such column.
    """
    columns = cases.columns or {}
    if column not in columns:
        raise InputError(f"There is no column {column!r} for a subgroup; the files have {', '.join(sorted(columns))}.")
    groups = groups_of(columns[column], column)
    known = cases.truth[head] >= 0
    found = []
    for group in sorted(set(groups.tolist()), key=_rank):
        rows = known & (groups == group)
        found.append(_subgroup(group, cases.truth[head][rows], cases.scores[head][rows], cases.patients[rows], n, seed))
    return found


def groups_of(cells: Strings, column: str) -> Strings:
    """Group of each case: the cell itself, or the range that its number is in.

    Args:
        cells: (N,) of a column.
        column: its name.
    """
    if column.lower() in ("age", "patientage", "patient_age"):
        return _bands(np.array([_years(cell) for cell in cells]), _AGES)
    try:
        numbers = np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError:
        return np.where(cells == "", UNKNOWN, cells)
    finite = numbers[np.isfinite(numbers)]
    if len(np.unique(finite)) <= _MOST_VALUES:
        return np.where(cells == "", UNKNOWN, cells)
    return _bands(numbers, tuple(np.unique(np.percentile(finite, [25, 50, 75], method="nearest")).tolist()))


def _subgroup(
    group: str, truth: NDArray[np.int64], score: NDArray[np.float64], patients: Strings, n: int, seed: int
) -> Subgroup:
    names, patient = np.unique(patients, return_inverse=True)
    positive = len(np.unique(patient[truth == 1]))
    negative = len(np.unique(patient[truth == 0]))
    enough = {"sensitivity": positive >= FEWEST, "specificity": negative >= FEWEST}
    metrics: dict[str, Estimate | None] = dict.fromkeys(_SHOWN)
    if any(enough.values()):
        found = estimate({"": binary_estimator(truth, score, patient, len(names))}, len(names), n, seed)[""]
        metrics = {name: found[name] if enough.get(name, all(enough.values())) else None for name in _SHOWN}
    return Subgroup(group, len(truth), len(names), int(truth.sum()), positive, negative, metrics)


def _bands(numbers: NDArray[np.float64], edges: tuple[float, ...]) -> Strings:
    names = [f"below {edges[0]:g}", *(f"{a:g} to below {b:g}" for a, b in pairwise(edges))]
    names.append(f"{edges[-1]:g} and more")
    band = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isfinite(numbers), np.array(names)[band.clip(max=len(edges))], UNKNOWN)


def _years(cell: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([DWMY]?)", cell.strip().upper())  # DICOM PS3.5, value representation AS
    return float(found[1]) / {"D": 365.25, "W": 52.18, "M": 12}.get(found[2], 1) if found else float("nan")


def _rank(group: str) -> tuple:
    number = re.search(r"-?\d+(?:\.\d+)?", group) if re.match(r"below|-?\d", group) else None
    return (group == UNKNOWN, float(number[0]) if number else float("inf"), not group.startswith("below"), group)
