"""Metrics of DTViT's two heads."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ichmonai.labels import ICH_CLASSES, LOCATIONS

_COLUMNS = len(ICH_CLASSES) + len(LOCATIONS)


def head_metrics(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, float]:
    """Compute the metrics of both heads (Fan et al. 2024, "Evaluation indices", with eq. 10 the right way up).

    A slice is given the class of the highest probability. The positive class of the first head is haemorrhage. The
    location metrics are over the slices that truly have a haemorrhage of known location; precision, recall, F1,
    specificity and AUC are one-vs-rest for each location, and their mean over the three.

    A ratio with a zero denominator is nan, and so is a mean that includes one: recall where a class is absent,
    precision where it is never predicted, specificity where there is nothing else, AUC in either absence. There is no
    substitute value, so a mean is over all three locations or it is nan.

    Args:
        probabilities: (N, 5) in 0..1, [normal, ich | deep, lobar, subtentorial], as `softmax_heads` gives.
        labels: (N, 2) integers: ich 0 or 1; location 0 deep, 1 lobar, 2 subtentorial, -1 not applicable.

    Returns:
        Flat names: `ich_` and `location_` with accuracy, balanced_accuracy, precision, recall (sensitivity), f1,
        specificity, auc, log_loss (natural logarithm); `location_deep_precision` and so on for each location.

    Raises:
        ValueError: the shapes do not fit, a probability is nan, or a label is none of the above.

    Example:
        >>> probabilities = np.array([[0.9, 0.1, 0.3, 0.3, 0.4], [0.2, 0.8, 0.7, 0.2, 0.1]])
        >>> head_metrics(probabilities, np.array([[0, -1], [1, 0]]))["ich_accuracy"]
        1.0
    """
    probabilities, labels = _validated(probabilities, labels)
    ich_matrix, location_matrix = confusion_matrices(probabilities, labels)
    ich, located = labels[:, 0], labels[_located(labels), 1]
    ich_probabilities, location_probabilities = _split(probabilities, labels)

    metrics = {f"ich_{name}": value for name, value in _ratios(ich_matrix, positive=1).items()}
    metrics["ich_accuracy"] = _ratio(np.trace(ich_matrix), ich_matrix.sum())
    metrics["ich_balanced_accuracy"] = (metrics["ich_recall"] + metrics["ich_specificity"]) / 2
    metrics["ich_auc"] = _auc(ich == 1, ich_probabilities[:, 1])
    metrics["ich_log_loss"] = _log_loss(ich, ich_probabilities)

    by_location = [_ratios(location_matrix, positive=k) for k in range(len(LOCATIONS))]
    for k, ratios in enumerate(by_location):
        ratios["auc"] = _auc(located == k, location_probabilities[:, k])
    for name in by_location[0]:
        metrics[f"location_{name}"] = float(np.mean([ratios[name] for ratios in by_location]))
    metrics["location_accuracy"] = _ratio(np.trace(location_matrix), location_matrix.sum())
    metrics["location_balanced_accuracy"] = metrics["location_recall"]
    metrics["location_log_loss"] = _log_loss(located, location_probabilities)
    for location, ratios in zip(LOCATIONS, by_location, strict=True):
        metrics |= {f"location_{location}_{name}": value for name, value in ratios.items()}
    return metrics


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
    ich, location = _split(probabilities, labels)
    return _confusion(labels[:, 0], ich), _confusion(labels[_located(labels), 1], location)


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


def _split(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Probabilities of head 1 for all slices, of head 2 for the slices with a known location."""
    return probabilities[:, : len(ICH_CLASSES)], probabilities[_located(labels), len(ICH_CLASSES) :]


def _confusion(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    classes = probabilities.shape[1]
    pairs = np.bincount(classes * truth + probabilities.argmax(axis=1), minlength=classes**2)
    return pairs.reshape(classes, classes)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")


def _ratios(matrix: NDArray[np.int64], positive: int) -> dict[str, float]:
    """Precision, recall, F1 and specificity of one class against the rest (eq. 7 to 10)."""
    true_positive = matrix[positive, positive]
    false_negative = matrix[positive].sum() - true_positive
    false_positive = matrix[:, positive].sum() - true_positive
    true_negative = matrix.sum() - true_positive - false_negative - false_positive
    return {
        "precision": _ratio(true_positive, true_positive + false_positive),
        "recall": _ratio(true_positive, true_positive + false_negative),
        "f1": _ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        "specificity": _ratio(true_negative, true_negative + false_positive),
    }


def _auc(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    # Mann and Whitney's form, ties by half: scikit-learn's value at a tenth of its time, which a bootstrap multiplies.
    count = int(positive.sum())
    ranks = rankdata(score)[positive].sum() - count * (count + 1) / 2
    return _ratio(ranks, count * (positive.size - count))


def _log_loss(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    # scikit-learn's log_loss warns about float32 rows that sum to 1 only within float32.
    if not len(truth):
        return float("nan")
    of_truth = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(of_truth.clip(np.finfo(np.float64).eps, 1)).mean())
