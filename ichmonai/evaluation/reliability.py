"""How well probabilities agree with frequencies."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ichmonai.evaluation.metrics import Estimator, Weights, ratio, surprise

BINS = 10
"""Bins of the expected calibration error, of equal mass (as many cases in each, ties kept together)."""

_SUPPORT = 256
"""Values that logits are gathered to in a recalibration of resamples."""
_CERTAIN = 5e-7  # as `Calibration` takes 0.000000 and 1.000000
_STEPS = 30
_CONVERGED = 1e-10


def reliability_estimator(
    truth: NDArray[np.integer], score: NDArray[np.floating], patient: NDArray[np.integer], patients: int
) -> Estimator:
    """Brier score, log loss, ECE, and slope and intercept of a logistic recalibration.

    - `brier`: mean squared difference.
    - `ece`: mean over the bins, weighted by their cases, of |mean probability - frequency|, in 10 bins of equal mass.
    - `calibration_slope`: b of logit(P) = a + b logit(p), without penalty; 1 is ideal, below 1 is overconfident.
    - `calibration_intercept`: a of logit(P) = a + logit(p), calibration in the large (Van Calster et al. 2019); 0 is
      ideal, below 0 the probabilities are too high.

    Slope and intercept are nan where a class is absent or the classes are separated, where they have no finite value.
    For intervals the bins stay those of the sample. ECE is biased upwards in small samples, and in resamples more so.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) probabilities.
        patient: (N,) number of each case's patient.
        patients: how many there are.
    """
    bins = equal_mass_bins(score)
    by_bin = _by_patient(bins, bins.max(initial=-1) + 1, (np.ones_like(score), score - truth), patient, patients)
    squares = np.bincount(patient, (score - truth) ** 2, minlength=patients)
    surprises = np.bincount(patient, surprise(np.where(truth == 1, score, 1 - score)), minlength=patients)
    x = logit(np.clip(score, _CERTAIN, 1 - _CERTAIN))
    group = equal_mass_bins(x, _SUPPORT)
    support = np.bincount(group, x) / np.bincount(group) if len(x) else np.zeros(0)
    counts = _by_patient(group, len(support), (np.ones_like(score), truth.astype(np.float64)), patient, patients)

    def estimate(weights: Weights) -> dict[str, NDArray[np.float64]]:
        n = weights @ np.bincount(patient, minlength=patients)
        size, positives = weights @ counts[0], weights @ counts[1]
        intercept, slope = _recalibrate(support, size, positives)
        return {
            "brier": ratio(weights @ squares, n),
            "log_loss": ratio(weights @ surprises, n),
            "ece": ratio(np.abs(weights @ by_bin[1]).sum(axis=1), n),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
        }

    return estimate


def location_reliability_estimator(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], patient: NDArray[np.integer], patients: int
) -> Estimator:
    """Brier score (summed over the locations), log loss and top-label ECE of the location head.

    The top-label ECE sets the probability of the most probable location against how often it is the right one.

    Args:
        truth: (N,) 0 to 2.
        probabilities: (N, 3).
        patient: (N,) number of each case's patient.
        patients: how many there are.
    """
    correct, confidence = top_label(truth, probabilities)
    squares = ((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1)
    squares = np.bincount(patient, squares, minlength=patients)
    surprises = np.bincount(patient, surprise(probabilities[np.arange(len(truth)), truth]), minlength=patients)
    bins = equal_mass_bins(confidence)
    difference = _by_patient(bins, bins.max(initial=-1) + 1, (confidence - correct,), patient, patients)[0]

    def estimate(weights: Weights) -> dict[str, NDArray[np.float64]]:
        n = weights @ np.bincount(patient, minlength=patients)
        return {
            "brier": ratio(weights @ squares, n),
            "log_loss": ratio(weights @ surprises, n),
            "ece": ratio(np.abs(weights @ difference).sum(axis=1), n),
        }

    return estimate


def top_label(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Whether the most probable class is right (0 or 1), and its probability."""
    return (probabilities.argmax(axis=1) == truth).astype(np.int64), probabilities.max(axis=1, initial=0).astype(
        np.float64
    )


def equal_mass_bins(values: NDArray[np.floating], bins: int = BINS) -> NDArray[np.int64]:
    """Number of each value's bin, 0 and up; equal values share one, so that there may be fewer bins."""
    distinct, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) <= bins:
        return index
    middle = np.cumsum(counts) - counts / 2
    return np.unique((middle * bins / counts.sum()).astype(np.int64), return_inverse=True)[1][index]


def reliability_curve(
    truth: NDArray[np.integer], score: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean probability, frequency and number of cases in each bin of the ECE."""
    bins = equal_mass_bins(score)
    size = np.bincount(bins)
    return np.bincount(bins, score) / size, np.bincount(bins, truth) / size, size


def _by_patient(
    group: NDArray[np.integer], groups: int, columns: tuple, patient: NDArray[np.integer], patients: int
) -> list[NDArray[np.float64]]:
    """Sums (P, groups) of each column."""
    cell = patient * groups + group
    sums = [np.bincount(cell, column, minlength=patients * groups) for column in columns]
    return [each.astype(np.float64).reshape(patients, groups) for each in sums]


def _recalibrate(
    x: NDArray[np.float64], size: NDArray[np.float64], positives: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's method for all samples at once.

    Args:
        x: (G,) logits.
        size: (B, G) cases at each.
        positives: (B, G) positives among them.

    Returns:
        Intercept at slope 1, and slope, (B,) each.
    """
    defined = (positives.sum(axis=1) > 0) & (positives.sum(axis=1) < size.sum(axis=1))
    shift = np.zeros(len(size))
    a, b = np.zeros(len(size)), np.ones(len(size))
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            p = expit(shift[:, None] + x)
            step = (positives - size * p).sum(axis=1) / (size * p * (1 - p)).sum(axis=1)
            shift += step.clip(-2, 2)
            if not (np.abs(step[defined]) > _CONVERGED).any():
                break
        for _ in range(_STEPS):
            p = expit(a[:, None] + b[:, None] * x)
            residual, information = positives - size * p, size * p * (1 - p)
            g0, g1 = residual.sum(axis=1), residual @ x
            h00, h01, h11 = information.sum(axis=1), information @ x, information @ (x * x)
            determinant = h00 * h11 - h01**2
            step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
            limit = 1 / np.maximum(np.maximum(np.abs(step_a), np.abs(step_b)) / 2, 1)  # no wild first steps
            a, b = a + limit * step_a, b + limit * step_b
            moved = np.maximum(np.abs(step_a), np.abs(step_b))
            if not (moved[defined] > _CONVERGED).any():
                break
    slope = np.where(defined & (moved < 1e-6), b, np.nan)
    return np.where(defined & (np.abs(step) < 1e-6), shift, np.nan), slope
