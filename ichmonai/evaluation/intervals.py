"""Confidence intervals that know that slices of one patient are not independent."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ichmonai.evaluation.metrics import head_metrics


def patient_bootstrap(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: ArrayLike,
    metrics: Sequence[str] | None = None,
    n: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Compute 95% percentile intervals of metrics, drawing patients (with all of their slices) with replacement.

    A draw in which a metric is nan, e.g. without a subtentorial haemorrhage, is left out of that metric's interval,
    which is nan where more than half of the draws are.

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
    metrics = tuple(head_metrics(probabilities, labels)) if metrics is None else metrics
    patient_of_row = np.unique(keys, return_inverse=True)[1]
    rows_of = [np.flatnonzero(patient_of_row == patient) for patient in range(patient_of_row.max(initial=-1) + 1)]
    if not rows_of:
        return dict.fromkeys(metrics, (float("nan"), float("nan")))
    generator = np.random.default_rng(seed)
    values = np.full((n, len(metrics)), np.nan)
    for draw in range(n):
        drawn = generator.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[patient] for patient in drawn])
        found = head_metrics(probabilities[rows], labels[rows])
        values[draw] = [found[name] for name in metrics]
    return {name: _interval(column) for name, column in zip(metrics, values.T, strict=True)}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if 2 * defined.size < values.size or not defined.size:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
