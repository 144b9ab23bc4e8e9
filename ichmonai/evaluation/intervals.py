"""Confidence intervals that know that slices of one patient are not independent."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ichmonai.evaluation.metrics import Estimator, heads_estimator, join

RESAMPLES = 2000
"""Draws of the patients, unless told otherwise."""

_BLOCK = 1 << 22
"""Weights held at once."""


class Estimate(NamedTuple):
    """A metric with its 95% interval; nan where it is not defined."""

    value: float
    low: float
    high: float

    def record(self) -> dict[str, Any]:
        """The metric as JSON values."""
        return {"value": json_number(self.value), "interval_95": [json_number(self.low), json_number(self.high)]}


def json_number(value: float) -> float | None:
    """A number as JSON has it; None for nan and infinity, which it does not have."""
    return float(value) if math.isfinite(value) else None


def estimate(
    estimators: Mapping[str, Estimator], patients: int, n: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Compute metrics and their 95% percentile intervals, drawing patients (with all they have) with replacement.

    A draw in which a metric is nan, e.g. without a subtentorial haemorrhage, is left out of that metric's interval,
    which is nan where more than half of the draws are, and where there is one patient or none.

    Args:
        estimators: group of metrics -> from weights (B, P) to metrics. All groups see the same draws.
        patients: P.
        n: number of draws.
        seed: of the draws; the same seed draws the same patients.

    Returns:
        Group -> name -> value, 2.5th and 97.5th percentile.
    """
    together = join(estimators, "/")
    draws = resample(together, patients, n, seed)
    found: dict[str, dict[str, Estimate]] = {group: {} for group in estimators}
    for path, value in together(np.ones((1, patients))).items():
        group, name = path.split("/")
        found[group][name] = Estimate(float(value[0]), *interval(draws[path]))
    return found


def resample(estimator: Estimator, patients: int, n: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Values (n,) of the metrics in draws of the patients with replacement; nan throughout for fewer than two."""
    if patients < 2 or n < 1:
        return {name: np.full(n, np.nan) for name in estimator(np.ones((1, patients)))}
    parts = [estimator(weights) for weights in _weights(patients, n, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the draws that are defined; nan where more than half are not."""
    defined = draws[np.isfinite(draws)]
    if 2 * defined.size < draws.size or not defined.size:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def patient_bootstrap(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: ArrayLike,
    metrics: Sequence[str] | None = None,
    n: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Compute 95% percentile intervals of `head_metrics`; see `estimate`.

    Args:
        probabilities: (N, 5), as for `head_metrics`.
        labels: (N, 2), as for `head_metrics`.
        patients: N patient keys, strings or integers.
        metrics: names of `head_metrics`; all unless given.
        n: number of draws.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        Name -> the 2.5th and 97.5th percentile.

    Raises:
        ValueError: there is not one patient key a slice, or as for `head_metrics`.
        KeyError: a name is none of `head_metrics`.

    Example:
        >>> probabilities = np.array([[0.9, 0.1, 0.3, 0.3, 0.4], [0.2, 0.8, 0.7, 0.2, 0.1]])
        >>> patient_bootstrap(probabilities, np.array([[0, -1], [1, 0]]), ["a", "b"], ["ich_accuracy"], n=10)
        {'ich_accuracy': (1.0, 1.0)}
    """
    keys = np.asarray(patients)
    if keys.shape != (len(labels),):
        raise ValueError(f"patient_bootstrap takes one patient key a slice: {len(labels)} slices, keys {keys.shape}.")
    names, patient = np.unique(keys, return_inverse=True)
    draws = resample(heads_estimator(probabilities, labels, patient, len(names)), len(names), n, seed)
    return {name: interval(draws[name]) for name in (draws if metrics is None else metrics)}


def _weights(patients: int, n: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each patient was drawn, (B, P) at a time, n rows in all."""
    generator = np.random.default_rng(seed)
    step = max(_BLOCK // patients, 1)
    for start in range(0, n, step):
        rows = min(step, n - start)
        drawn = generator.integers(patients, size=(rows, patients)) + patients * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients).astype(np.float64)
