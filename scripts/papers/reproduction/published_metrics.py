"""Tables 3 and 4 as the DTViT paper computes them, which is not as their column heads say.

Task 1 takes *normal* for the positive class, so that its "specificity" is the sensitivity for haemorrhage. Task 2 gives
precision, recall and F1 of *deep* alone, counts a deep haemorrhage called lobar as correct, and its specificity is, as
the printed numbers can be explained, the share of right answers among the lobar and subtentorial haemorrhages that were
not called deep. (The accuracies that Table 4 prints for task 2 agree with its precision, recall and specificity only if
deep called lobar counts as wrong, as in `location_accuracy`.)
"""

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import LOCATIONS
from ichmonai.evaluation.metrics import Estimator, ratio

DEEP, LOBAR, SUBTENTORIAL = range(len(LOCATIONS))


def published_estimator(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], patient: NDArray[np.integer], patients: int
) -> Estimator:
    """The published metrics for any weights of the patients; arguments as of `heads_estimator`.

    Returns:
        From weights (B, P) to `task1_` and `task2_` with accuracy, precision, recall, f1 and specificity, (B,) each.
    """
    ich = labels[:, 0] == 1
    called_ich = probabilities[:, 1] > 0.5
    location, called = np.where(ich, labels[:, 1], -1), probabilities[:, 2:].argmax(axis=1)
    cells = [(ich == t) & (called_ich == c) for t in (False, True) for c in (False, True)]
    cells += [(location == t) & (called == c) for t in range(len(LOCATIONS)) for c in range(len(LOCATIONS))]
    sums = np.stack([np.bincount(patient, cell, minlength=patients) for cell in cells], axis=1)

    def estimate(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        totals = weights @ sums
        first, second = totals[:, :4].reshape(-1, 2, 2), totals[:, 4:].reshape(-1, len(LOCATIONS), len(LOCATIONS))
        return published_task1(first) | published_task2(second)

    return estimate


def published_task1(matrix: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Metrics of confusion matrices (B, 2, 2) of normal and ich, rows true."""
    true, false = matrix[:, 0, 0], matrix[:, 1, 0]
    missed, rest = matrix[:, 0, 1], matrix[:, 1, 1]
    return {
        "task1_accuracy": ratio(true + rest, matrix.sum(axis=(1, 2))),
        **_of_positive("task1", true, false, missed),
        "task1_specificity": ratio(rest, rest + false),
    }


def published_task2(matrix: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Metrics of confusion matrices (B, 3, 3) of deep, lobar and subtentorial, rows true."""
    true = matrix[:, DEEP, DEEP]
    right = np.trace(matrix, axis1=1, axis2=2)
    rest = matrix[:, LOBAR:, LOBAR:]
    return {
        "task2_accuracy": ratio(right + matrix[:, DEEP, LOBAR], matrix.sum(axis=(1, 2))),
        **_of_positive("task2", true, matrix[:, LOBAR:, DEEP].sum(axis=1), matrix[:, DEEP, LOBAR:].sum(axis=1)),
        "task2_specificity": ratio(np.trace(rest, axis1=1, axis2=2), rest.sum(axis=(1, 2))),
    }


def _of_positive(task: str, true: NDArray, false: NDArray, missed: NDArray) -> dict[str, NDArray[np.float64]]:
    return {
        f"{task}_precision": ratio(true, true + false),
        f"{task}_recall": ratio(true, true + missed),
        f"{task}_f1": ratio(2 * true, 2 * true + false + missed),
    }
