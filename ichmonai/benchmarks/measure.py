"""Metrics of the predictions of a public set, with intervals by patient."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ichmonai.benchmarks.public_set import Truth
from ichmonai.classes import KINDS, RSNA_LABELS
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.mask_metrics import MaskResult
from ichmonai.evaluation.metrics import THRESHOLD, binary_estimator
from ichmonai.evaluation.multilabel import multilabel_estimator
from ichmonai.evaluation.tables import Table

HEADS = ("ich", *KINDS)
"""What a row is of: any haemorrhage, and each kind; in the order of `RSNA_LABELS`."""
METRICS = ("auc", "average_precision", "sensitivity", "specificity", "ppv", "npv")
LOG_LOSS = "weighted_log_loss"
"""Of the RSNA challenge: `any` counts twice."""


@dataclass(frozen=True)
class Measure:
    """One metric of one head at one level.

    Attributes:
        level: `slice` or `study`, or `mask` of the masks of whole studies.
        head: of `HEADS`, or "" of all.
        metric: its name.
        estimate: value and 95% interval.
        cases: slices or studies with a truth and a prediction.
        positives: how many have the label.
        patients: how many they are of.
        threshold: above which the label is predicted; nan where there is none.
    """

    level: str
    head: str
    metric: str
    estimate: Estimate
    cases: int
    positives: int
    patients: int
    threshold: float


def scores_of(table: Table, absent: float = np.nan) -> dict[str, NDArray[np.float64]]:
    """The probabilities (N,) of each head that the table has; `absent` where a row has none."""
    found = {}
    for head in HEADS:
        if f"p_{head}" in table.columns:
            values = table.numbers(f"p_{head}")
            found[head] = np.where(np.isnan(values), absent, values)
    return found


def measure(
    level: str,
    scores: Mapping[str, NDArray[np.float64]],
    truth: Truth,
    threshold: float,
    resamples: int,
    seed: int,
) -> Iterator[Measure]:
    """The metrics of one level.

    Args:
        level: `slice` or `study`.
        scores: head -> (N,) probabilities.
        truth: of the same N rows.
        threshold: of `ich`; kinds have 0.5.
        resamples: draws of the patients.
        seed: of the draws.
    """
    known = truth.cases != ""
    for k, head in enumerate(HEADS):
        if head not in scores:
            continue
        rows = known & (truth.labels[:, k] >= 0) & np.isfinite(scores[head])
        label, score = truth.labels[rows, k], scores[head][rows]
        names, patient = np.unique(truth.cases[rows], return_inverse=True)
        at = threshold if head == "ich" else THRESHOLD
        one = {"": binary_estimator(label, score, patient, len(names), at)}
        found = estimate(one, len(names), resamples, seed)[""]
        for metric in METRICS:
            limit = np.nan if metric in METRICS[:2] else at
            yield Measure(level, head, metric, found[metric], len(label), int(label.sum()), len(names), limit)
    if scores.keys() >= set(HEADS):
        yield from _log_loss(level, scores, truth, resamples, seed)


def measure_masks(found: MaskResult) -> list[Measure]:
    """The metrics of masks, with the names of `MaskHead`."""
    return [
        Measure("mask", "ich" if head == "any" else head, metric, one, of.n, of.bleeding, of.patients, np.nan)
        for head, of in found.heads.items()
        for metric, one in of.metrics.items()
    ]


def _log_loss(
    level: str, scores: Mapping[str, NDArray[np.float64]], truth: Truth, resamples: int, seed: int
) -> Iterator[Measure]:
    """The challenge's score, where all six labels are predicted and known."""
    values = np.stack([scores[head] for head in HEADS], axis=1)
    rows = (truth.cases != "") & (truth.labels >= 0).all(axis=1) & np.isfinite(values).all(axis=1)
    names, patient = np.unique(truth.cases[rows], return_inverse=True)
    if level != "slice" or not rows.any():
        return
    no_prevalence = [0.5] * len(RSNA_LABELS)
    one = {"": multilabel_estimator(values[rows], truth.labels[rows], patient, len(names), no_prevalence)}
    found = estimate(one, len(names), resamples, seed)[""]["log_loss"]
    positives = int(truth.labels[rows, 0].sum())
    yield Measure(level, "", LOG_LOSS, found, int(rows.sum()), positives, len(names), np.nan)
