"""Metrics of labels and of DTViT's two heads, for the whole sample and for resamples of its patients alike.

One implementation serves both: every metric is computed from a matrix of patient weights, a row a sample. A row of ones
is the sample itself; a row of counts is a bootstrap resample.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ichmonai.classes import ICH_CLASSES, LOCATIONS
from ichmonai.evaluation.ranking import Ranking

Weights = NDArray[np.floating]
Estimator = Callable[[Weights], dict[str, NDArray[np.float64]]]
"""From weights (B, P) of P patients to the values (B,) of each metric."""

THRESHOLD = 0.5
"""A label is predicted where its probability is higher: for two classes, where it is the more probable one."""

_COLUMNS = len(ICH_CLASSES) + len(LOCATIONS)


def head_metrics(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, float]:
    """Compute the metrics of both heads (Fan et al. 2024, "Evaluation indices", with eq. 10 the right way up).

    A slice is given the class of the highest probability. The positive class of the first head is haemorrhage. The
    location metrics are over the slices that truly have a haemorrhage of known location; sensitivity, specificity, PPV,
    NPV, F1, AUC and average precision are one-vs-rest for each location, and their mean over the three.

    A ratio with a zero denominator is nan, and so is a mean that includes one: sensitivity where a class is absent,
    PPV where it is never predicted, specificity where there is nothing else, AUC in either absence. There is no
    substitute value, so a mean is over all three locations or it is nan.

    Args:
        probabilities: (N, 5) in 0..1, [normal, ich | deep, lobar, subtentorial], as `softmax_heads` gives.
        labels: (N, 2) integers: ich 0 or 1; location 0 deep, 1 lobar, 2 subtentorial, -1 not applicable.

    Returns:
        Flat names: `ich_` and `location_` with accuracy, balanced_accuracy, sensitivity, specificity, ppv, npv, f1,
        auc, average_precision and log_loss (natural logarithm); `location_deep_sensitivity` and so on.

    Raises:
        ValueError: the shapes do not fit, a probability is nan, or a label is none of the above.

    Example:
        >>> probabilities = np.array([[0.9, 0.1, 0.3, 0.3, 0.4], [0.2, 0.8, 0.7, 0.2, 0.1]])
        >>> head_metrics(probabilities, np.array([[0, -1], [1, 0]]))["ich_accuracy"]
        1.0
    """
    one = np.zeros(len(np.asarray(labels)), dtype=np.int64)  # all slices weigh the same, so they may be of one patient
    metrics = heads_estimator(probabilities, labels, one, 1)(np.ones((1, 1)))
    return {name: float(value[0]) for name, value in metrics.items()}


def heads_estimator(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], patient: NDArray[np.integer], patients: int
) -> Estimator:
    """`head_metrics` for any weights of the patients.

    Args:
        probabilities: as for `head_metrics`.
        labels: as for `head_metrics`.
        patient: (N,) number of each slice's patient, 0 to `patients` - 1.
        patients: how many there are.
    """
    probabilities, labels = _validated(probabilities, labels)
    located = _located(labels)
    return join(
        {
            "ich": binary_estimator(labels[:, 0], probabilities[:, 1], patient, patients),
            "location": location_estimator(
                labels[located, 1], probabilities[located, len(ICH_CLASSES) :], patient[located], patients
            ),
        }
    )


def join(estimators: Mapping[str, Estimator], separator: str = "_") -> Estimator:
    """One estimator out of several, each one's names after its own and a separator."""
    return lambda weights: {
        f"{prefix}{separator}{name}": value
        for prefix, estimator in estimators.items()
        for name, value in estimator(weights).items()
    }


def binary_estimator(
    truth: NDArray[np.integer],
    score: NDArray[np.floating],
    patient: NDArray[np.integer],
    patients: int,
    threshold: float = THRESHOLD,
    ranking: bool = True,
) -> Estimator:
    """Metrics of a label that is there or not.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) probabilities.
        patient: (N,) number of each case's patient.
        patients: how many there are.
        threshold: the label is predicted where its probability is higher.
        ranking: with AUC, average precision and log loss, which do not depend on the threshold.
    """
    predicted = score > threshold
    cells = [(truth == t) & (predicted == p) for t, p in ((1, 1), (1, 0), (0, 1), (0, 0))]
    if ranking:
        cells.append(surprise(np.where(truth == 1, score, 1 - score)))
    sums = _sums_by_patient(cells, patient, patients)
    rank = Ranking(truth == 1, score, patient) if ranking else None

    def estimate(weights: Weights) -> dict[str, NDArray[np.float64]]:
        totals = weights @ sums
        metrics = _ratios(*totals[:, :4].T)
        if rank is not None:
            metrics["auc"], metrics["average_precision"] = rank(weights)
            metrics["log_loss"] = ratio(totals[:, 4], totals[:, :4].sum(axis=1))
        return metrics

    return estimate


def location_estimator(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], patient: NDArray[np.integer], patients: int
) -> Estimator:
    """Metrics of the location head: over all locations, their means (macro), and for each against the rest.

    Args:
        truth: (N,) 0 to 2.
        probabilities: (N, 3).
        patient: (N,) number of each case's patient.
        patients: how many there are.
    """
    classes = len(LOCATIONS)
    predicted = probabilities.argmax(axis=1)
    cells = [(truth == t) & (predicted == p) for t in range(classes) for p in range(classes)]
    cells.append(surprise(probabilities[np.arange(len(truth)), truth]))
    sums = _sums_by_patient(cells, patient, patients)
    ranks = [Ranking(truth == k, probabilities[:, k], patient) for k in range(classes)]

    def estimate(weights: Weights) -> dict[str, NDArray[np.float64]]:
        totals = weights @ sums
        matrix = totals[:, :-1].reshape(-1, classes, classes)
        count = matrix.sum(axis=(1, 2))
        each = []
        for k in range(classes):
            positive = matrix[:, k, k]
            negative, alarm = matrix[:, k].sum(axis=1) - positive, matrix[:, :, k].sum(axis=1) - positive
            one = _ratios(positive, negative, alarm, count - positive - negative - alarm)
            one["auc"], one["average_precision"] = ranks[k](weights)
            each.append(one)
        metrics = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
        metrics["accuracy"] = ratio(np.trace(matrix, axis1=1, axis2=2), count)
        metrics["balanced_accuracy"] = metrics["sensitivity"]
        metrics["log_loss"] = ratio(totals[:, -1], count)
        for location, one in zip(LOCATIONS, each, strict=True):
            metrics |= {f"{location}_{name}": one[name] for name in one if "accuracy" not in name}
        return metrics

    return estimate


def confusion_matrices(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count slices by true class (rows) and predicted class (columns).

    Args:
        probabilities: as for `head_metrics`.
        labels: as for `head_metrics`.

    Returns:
        (2, 2) of normal and ich, and (3, 3) of deep, lobar and subtentorial over the slices with a known location.

    Raises:
        ValueError: as for `head_metrics`.
    """
    probabilities, labels = _validated(probabilities, labels)
    located = _located(labels)
    return (
        confusion(labels[:, 0], probabilities[:, 1] > THRESHOLD, len(ICH_CLASSES)),
        confusion(labels[located, 1], probabilities[located, len(ICH_CLASSES) :].argmax(axis=1), len(LOCATIONS)),
    )


def confusion(truth: NDArray[np.integer], predicted: NDArray, classes: int) -> NDArray[np.int64]:
    """Count cases by true class (rows) and predicted class (columns)."""
    return np.bincount(classes * truth + predicted, minlength=classes**2).reshape(classes, classes)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Quotient, nan where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator != 0)


def _ratios(
    true_positive: NDArray, false_negative: NDArray, false_positive: NDArray, true_negative: NDArray
) -> dict[str, NDArray[np.float64]]:
    sensitivity = ratio(true_positive, true_positive + false_negative)
    specificity = ratio(true_negative, true_negative + false_positive)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ratio(true_positive, true_positive + false_positive),
        "npv": ratio(true_negative, true_negative + false_negative),
        "f1": ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        "accuracy": ratio(
            true_positive + true_negative, true_positive + false_negative + false_positive + true_negative
        ),
        "balanced_accuracy": (sensitivity + specificity) / 2,
    }


def surprise(of_truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log loss of each case, from the probability given to its true class."""
    # scikit-learn's log_loss clips at the same eps, and warns about float32 rows that sum to 1 only within float32.
    return -np.log(of_truth.astype(np.float64).clip(np.finfo(np.float64).eps, 1))


def _sums_by_patient(columns: list[NDArray], patient: NDArray[np.integer], patients: int) -> NDArray[np.float64]:
    return np.stack([np.bincount(patient, column, minlength=patients) for column in columns], axis=1)


def _validated(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if probabilities.ndim != 2 or probabilities.shape[1] != _COLUMNS or labels.shape != (len(probabilities), 2):
        raise ValueError(
            f"Metrics take probabilities (N, {_COLUMNS}) and labels (N, 2), not {probabilities.shape} and "
            f"{labels.shape}."
        )
    rows = np.flatnonzero(np.isnan(probabilities).any(axis=1))
    if rows.size:
        named = ", ".join(map(str, rows[:10])) + (" and more" if rows.size > 10 else "")
        raise ValueError(
            f"{rows.size} of {len(probabilities)} rows of probabilities are nan (rows {named}): look at the network's "
            "input or weights there."
        )
    wrong = ~np.isin(labels[:, 0], (0, 1)) | ~np.isin(labels[:, 1], (-1, 0, 1, 2))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"Row {row} of the labels is {labels[row].tolist()}: ich is 0 or 1, location is 0, 1, 2 or -1 (not "
            "applicable)."
        )
    return probabilities, labels.astype(np.int64)


def _located(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    return (labels[:, 0] == 1) & (labels[:, 1] >= 0)
