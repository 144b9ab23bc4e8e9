"""Test of two AUCs on the same cases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class AUCComparison:
    """Two correlated AUCs.

    Attributes:
        auc: of the first and the second model.
        standard_error: of each.
        difference: first less second.
        difference_standard_error: of it; nan with a class absent or in fewer than two patients.
        interval: 95%, of the difference.
        z: difference over its standard error; nan where both AUCs vary together, as of a model and itself.
        p_value: two-sided.
    """

    auc: tuple[float, float]
    standard_error: tuple[float, float]
    difference: float
    difference_standard_error: float
    interval: tuple[float, float]
    z: float
    p_value: float


def compare_auc(
    truth: NDArray[np.integer],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    patient: NDArray[np.integer],
) -> AUCComparison:
    """Compare two AUCs on the same cases, of which a patient may have several (Obuchowski 1997).

    With one case a patient this is the test of DeLong, DeLong and Clarke-Pearson (1988). The placements of the cases
    are found from ranks (Sun and Xu 2014).

    Args:
        truth: (N,) 0 or 1.
        first: (N,) scores of one model, the higher the more positive.
        second: (N,) scores of the other.
        patient: (N,) number of each case's patient.
    """
    positive = truth == 1
    m, n = int(positive.sum()), int((~positive).sum())
    scores = np.stack([first, second]).astype(np.float64)
    of_positives, of_negatives = _placements(scores[:, positive], scores[:, ~positive])
    auc = of_positives.mean(axis=1) if m and n else np.full(2, np.nan)
    covariance = _covariance(of_positives, of_negatives, auc, patient[positive], patient[~positive])
    difference = float(auc[0] - auc[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = float(np.sqrt(max(variance, 0.0))) if not np.isnan(variance) else float("nan")
    z = difference / error if error > 1e-12 else float("nan")
    half = float(norm.ppf(0.975)) * error
    deviations = np.sqrt(np.diag(covariance).clip(0))
    return AUCComparison(
        auc=(float(auc[0]), float(auc[1])),
        standard_error=(float(deviations[0]), float(deviations[1])),
        difference=difference,
        difference_standard_error=error,
        interval=(difference - half, difference + half),
        z=z,
        p_value=float(2 * norm.sf(abs(z))),
    )


def _placements(
    positives: NDArray[np.float64], negatives: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of negatives below each positive, and of positives above each negative, ties by half; rows are models."""
    m, n = positives.shape[1], negatives.shape[1]
    if not m or not n:
        return np.full((2, m), np.nan), np.full((2, n), np.nan)
    together = rankdata(np.concatenate([positives, negatives], axis=1), axis=1)
    below = (together[:, :m] - rankdata(positives, axis=1)) / n
    above = 1 - (together[:, m:] - rankdata(negatives, axis=1)) / m
    return below, above


def _covariance(
    of_positives: NDArray[np.float64],
    of_negatives: NDArray[np.float64],
    auc: NDArray[np.float64],
    patient_of_positive: NDArray[np.integer],
    patient_of_negative: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Covariance (2, 2) of the two AUCs: Obuchowski's equations, sums of placements by patient."""
    m, n = of_positives.shape[1], of_negatives.shape[1]
    with_positives, with_negatives = np.unique(patient_of_positive).size, np.unique(patient_of_negative).size
    if with_positives < 2 or with_negatives < 2:
        return np.full((2, 2), np.nan)
    _, code = np.unique(np.concatenate([patient_of_positive, patient_of_negative]), return_inverse=True)
    patients = code.max() + 1
    a = _sums(of_positives - auc[:, None], code[:m], patients)
    b = _sums(of_negatives - auc[:, None], code[m:], patients)
    s10 = with_positives / ((with_positives - 1) * m) * (a @ a.T)
    s01 = with_negatives / ((with_negatives - 1) * n) * (b @ b.T)
    s11 = patients / (patients - 1) * (a @ b.T)
    return s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def _sums(values: NDArray[np.float64], group: NDArray[np.integer], groups: int) -> NDArray[np.float64]:
    return np.stack([np.bincount(group, row, minlength=groups) for row in values])
