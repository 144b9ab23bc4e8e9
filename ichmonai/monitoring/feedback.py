"""How well answers agree with what readers said of the same studies."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from ichmonai.errors import InputError, first_line
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.reliability import reliability_estimator
from ichmonai.monitoring.compare import State

MINIMUM = 10
"""Studies with a haemorrhage, and without, below which nothing is said."""
_IDEAL = {"calibration_intercept": 0.0, "calibration_slope": 1.0}


@dataclass(frozen=True)
class Agreement:
    """Answers beside readings.

    Attributes:
        positives: studies in which readers see a haemorrhage.
        negatives: those in which they see none.
        estimates: name -> value with its 95% interval: sensitivity, specificity, Brier score, intercept and slope of
            the calibration; empty where there are too few studies.
        state: `LOOK` where the calibration is off by more than chance.
    """

    positives: int
    negatives: int
    estimates: dict[str, Estimate]
    state: State


def agreement(place: Path) -> Agreement:
    """Compare the probabilities with what readers said.

    Args:
        place: folder of `ichmonai feedback export`, or its `studies.csv`.

    Raises:
        InputError: it cannot be read.
    """
    table = place / "studies.csv" if place.is_dir() else place
    wrong = f"{table} is no table of ichmonai feedback export"
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file) if row["p_ich"] not in ("", "nan")]
        truth = np.array([int(row["ich"]) for row in rows], dtype=np.int64)
        score = np.array([float(row["p_ich"]) for row in rows])
        called = np.array([row["outcome"] for row in rows])
        names = [row["patient"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{wrong} ({first_line(error)}); give the folder that it wrote.") from error
    if not (np.isin(truth, (0, 1)) & (score >= 0) & (score <= 1)).all():
        raise InputError(f"{wrong} (ich is not 0 or 1, or p_ich no probability); give the folder that it wrote.")
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    if min(positives, negatives) < MINIMUM:
        return Agreement(positives, negatives, {}, State.FEW)
    patient = np.unique(names, return_inverse=True)[1]
    patients = int(patient.max()) + 1
    found = estimate({"all": reliability_estimator(truth, score, patient, patients)}, patients)["all"]
    estimates = {
        "sensitivity": _share(called[truth == 1].tolist(), "positive"),
        "specificity": _share(called[truth == 0].tolist(), "negative"),
        **{name: found[name] for name in ("brier", *_IDEAL)},
    }
    off = any(found[name].low > ideal or found[name].high < ideal for name, ideal in _IDEAL.items())
    return Agreement(positives, negatives, estimates, State.LOOK if off else State.SAME)


def _share(called: Sequence[str], wanted: str) -> Estimate:
    found = binomtest(sum(one == wanted for one in called), len(called))
    low, high = found.proportion_ci(method="wilson")
    return Estimate(float(found.statistic), float(low), float(high))
