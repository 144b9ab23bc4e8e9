"""Metrics of RSNA's six labels, always with those of two answers that look at no image."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import RSNA_LABELS
from ichmonai.evaluation.metrics import Estimator, Weights, binary_estimator, join

LABEL_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Weights of `RSNA_LABELS` in the challenge's log loss: `any` counts twice."""

EPSILON = 1e-15
"""The challenge's log loss replaces a probability p by max(min(p, 1 - 1e-15), 1e-15)."""

BASELINES = ("all_negative", "prevalence")
"""Prefixes of what the two constant answers score: 0 for every label, and each label's share in the training split."""

_WEIGHTS = np.array(LABEL_WEIGHTS) / sum(LABEL_WEIGHTS)


def weighted_log_loss(probabilities: NDArray[np.floating], labels: NDArray) -> float:
    """The challenge's score: log loss of every label of every slice, weighted 2 for `any` and 1 for each subtype.

    Args:
        probabilities: (N, 6) in 0..1, in the order of `RSNA_LABELS`.
        labels: (N, 6), 0 or 1.

    Returns:
        The weighted mean in nats; 0 is perfect, and less is better.

    Raises:
        ValueError: the shapes do not fit, or a value is none of the above.

    Example:
        >>> labels = np.zeros((1, 6))
        >>> round(weighted_log_loss(np.full((1, 6), 0.5), labels), 4)
        0.6931
    """
    probabilities, labels = _validated(probabilities, labels)
    return float(_log_losses(probabilities, labels).mean(axis=0) @ _WEIGHTS)


def multilabel_metrics(
    probabilities: NDArray[np.floating], labels: NDArray, prevalence: Sequence[float]
) -> dict[str, float]:
    """Compute the challenge's log loss, per-label metrics, and what two constant answers score.

    A label is predicted where its probability exceeds 0.5. A ratio with a zero denominator is nan, and so is a mean
    that includes one: AUC where a label is on all or none of the slices.

    Args:
        probabilities: (N, 6) in 0..1, in the order of `RSNA_LABELS`.
        labels: (N, 6), 0 or 1.
        prevalence: share of each label in the training split.

    Returns:
        `log_loss` (weighted), `accuracy` and `auc` (means over the labels); `all_negative_log_loss` (0 for every label,
        clipped as the challenge does), `all_negative_accuracy`, `prevalence_log_loss` and `prevalence_accuracy`;
        `log_loss_skill`, the share of the prevalence's log loss that is taken away: 1 is perfect, 0 no better than
        it; and for each label `any_auc`, `any_accuracy`, `any_sensitivity` and so on.

    Raises:
        ValueError: the shapes do not fit, or a value is none of the above.
    """
    one = np.zeros(len(np.asarray(labels)), dtype=np.int64)  # all slices weigh the same, so they may be of one patient
    metrics = multilabel_estimator(probabilities, labels, one, 1, prevalence)(np.ones((1, 1)))
    return {name: float(value[0]) for name, value in metrics.items()}


def multilabel_estimator(
    probabilities: NDArray[np.floating],
    labels: NDArray,
    patient: NDArray[np.integer],
    patients: int,
    prevalence: Sequence[float],
) -> Estimator:
    """`multilabel_metrics` for any weights of the patients.

    Args:
        probabilities: as for `multilabel_metrics`.
        labels: as for `multilabel_metrics`.
        patient: (N,) number of each slice's patient, 0 to `patients` - 1.
        patients: how many there are.
        prevalence: as for `multilabel_metrics`.
    """
    probabilities, labels = _validated(probabilities, labels)
    constants = np.array([np.zeros(len(RSNA_LABELS)), prevalence], dtype=np.float64)
    _validated(constants, np.zeros(constants.shape))
    answers = [probabilities, *(np.broadcast_to(constant, labels.shape) for constant in constants)]
    columns = [np.concatenate([_log_losses(p, labels), (p > 0.5) == labels], axis=1) for p in answers]
    sums = np.stack([np.bincount(patient, c, patients) for c in np.concatenate(columns, axis=1).T], axis=1)
    slices = np.bincount(patient, minlength=patients)
    of_label = join(
        {
            name: binary_estimator(labels[:, k], probabilities[:, k], patient, patients)
            for k, name in enumerate(RSNA_LABELS)
        }
    )

    def estimate(weights: Weights) -> dict[str, NDArray[np.float64]]:
        with np.errstate(invalid="ignore", divide="ignore"):  # of no slices, and of a prevalence that is always right
            means = (weights @ sums / (weights @ slices)[:, None]).reshape(len(weights), len(answers), 2, -1)
            log_loss, accuracy = means[:, :, 0] @ _WEIGHTS, means[:, :, 1].mean(axis=2)
            skill = 1 - log_loss[:, 0] / log_loss[:, 2]
        labelwise = of_label(weights)
        for k, name in enumerate(RSNA_LABELS):
            labelwise[f"{name}_log_loss"] = means[:, 0, 0, k]
        metrics = {
            "log_loss": log_loss[:, 0],
            "log_loss_skill": skill,
            "accuracy": accuracy[:, 0],
            "auc": np.mean([labelwise[f"{name}_auc"] for name in RSNA_LABELS], axis=0),
        }
        for k, name in enumerate(BASELINES, 1):
            metrics |= {f"{name}_log_loss": log_loss[:, k], f"{name}_accuracy": accuracy[:, k]}
        return metrics | labelwise

    return estimate


def summary(metrics: Mapping[str, float]) -> str:
    """The main results in one line, each beside what the two constant answers score."""
    parts = [
        f"{title} {metrics[name]:.4f} (all negative {metrics[f'all_negative_{name}']:.4f}, "
        f"training prevalence {metrics[f'prevalence_{name}']:.4f})"
        for title, name in (("weighted log loss", "log_loss"), ("accuracy", "accuracy"))
    ]
    aucs = ", ".join(f"{name} {metrics[f'{name}_auc']:.3f}" for name in RSNA_LABELS)
    return f"{'; '.join(parts)}; AUC {aucs}"


def _log_losses(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities, EPSILON, 1 - EPSILON)
    return -np.log(np.where(labels == 1, clipped, 1 - clipped))


def _validated(
    probabilities: NDArray[np.floating], labels: NDArray
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(RSNA_LABELS) or labels.shape != probabilities.shape:
        raise ValueError(
            f"Multi-label metrics take probabilities and labels (N, {len(RSNA_LABELS)}), not {probabilities.shape} and "
            f"{labels.shape}."
        )
    wrong = np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)).all(axis=1))  # nan is neither
    if wrong.size:
        raise ValueError(
            f"{wrong.size} of {len(labels)} rows of probabilities have values that are nan or not in 0..1 (the first "
            f"is row {wrong[0]}): look at the network's input or weights there."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("A label is neither 0 nor 1: all six labels of a slice must be known.")
    return probabilities, labels.astype(np.int64)
