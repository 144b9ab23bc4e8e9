"""What a finished run found, with intervals from drawing its patients."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import LOCATIONS, RSNA_LABELS
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.metrics import Estimator, confusion_matrices, heads_estimator
from ichmonai.evaluation.multilabel import BASELINES, multilabel_estimator
from ichmonai.tables import PROBABILITIES
from scripts.papers.reproduction.paper import TASKS, Curve
from scripts.papers.reproduction.published_metrics import published_estimator
from scripts.papers.reproduction.records import read_csv, seconds
from scripts.papers.reproduction.runs import evaluation

Found = dict[str, dict[str, Estimate]]
"""Definition (`published`, `ours`, `baseline`) -> metric -> value and interval."""


class Judged(NamedTuple):
    """Metrics of trainings that differ by their seed alone.

    Attributes:
        metrics: means over the seeds, with 95% intervals from drawing the judged patients, for all seeds the same.
        seeds: definition -> metric -> the value of each seed.
        slices: judged.
        patients: they are of.
    """

    metrics: Found
    seeds: dict[str, dict[str, tuple[float, ...]]]
    slices: int
    patients: int


def judge(folders: Sequence[Path], part: str) -> Judged:
    """Metrics of trainings on DTViT's heads, by both definitions.

    `ours` are those of `head_metrics` and `mean_accuracy`, of both tasks; `baseline` is the accuracy of always saying
    what is commonest in the judged slices.

    Args:
        folders: of finished trainings that differ by their seed.
        part: of the split.
    """
    groups: dict[str, list[Estimator]] = {"ours": [], "published": [], "baseline": []}
    for folder in folders:
        probabilities, labels, names, patient = heads_predictions(folder, part)
        constant = np.zeros_like(probabilities)
        constant[:, np.bincount(labels[:, 0], minlength=2).argmax()] = 1
        constant[:, 2 + np.bincount(labels[labels[:, 1] >= 0, 1], minlength=3).argmax()] = 1
        judged = (labels, patient, len(names))
        groups["ours"].append(_with_mean(heads_estimator(probabilities, *judged)))
        groups["published"].append(published_estimator(probabilities, *judged))
        groups["baseline"].append(heads_estimator(constant, *judged))
    found = _judged(groups, len(labels), len(names))
    found.metrics["baseline"] = {
        name: found.metrics["baseline"][name] for name in ("ich_accuracy", "location_accuracy")
    }
    return found


def judge_rsna(folders: Sequence[Path], part: str) -> Judged:
    """Metrics of trainings on RSNA's labels, `ours`, and of the two constant answers; as for `judge`."""
    groups: dict[str, list[Estimator]] = {"ours": []}
    for folder in folders:
        rows = read_csv(evaluation(folder, part) / "predictions.csv")
        record = json.loads((evaluation(folder, part) / "metrics.json").read_text(encoding="utf-8"))
        labels = np.array([[int(row[name]) for name in RSNA_LABELS] for row in rows])
        probabilities = np.array([[float(row[f"p_{name}"]) for name in RSNA_LABELS] for row in rows])
        names, patient = np.unique([row["patient"] for row in rows], return_inverse=True)
        prevalence = [record["prevalence"]["training"][name] for name in RSNA_LABELS]
        groups["ours"].append(multilabel_estimator(probabilities, labels, patient, len(names), prevalence))
    found = _judged(groups, len(labels), len(names))
    for baseline in BASELINES:
        found.metrics[f"baseline {baseline}"] = {
            name: found.metrics["ours"].pop(f"{baseline}_{name}") for name in ("log_loss", "accuracy")
        }
        found.seeds[f"baseline {baseline}"] = {
            name: found.seeds["ours"][f"{baseline}_{name}"] for name in ("log_loss", "accuracy")
        }
    return found


def heads_predictions(folder: Path, part: str) -> tuple[NDArray, NDArray, list[str], NDArray]:
    """What a training said of a part: probabilities (N, 5), labels (N, 2), the patients, and each slice's (N,)."""
    rows = read_csv(evaluation(folder, part) / "predictions.csv")
    p = np.array([[float(row[name]) for name in PROBABILITIES] for row in rows])
    places = {"": -1} | {name: k for k, name in enumerate(LOCATIONS)}
    labels = np.array([[int(row["ich"]), places[row["location"]]] for row in rows])
    names, patient = np.unique([row["patient"] for row in rows], return_inverse=True)
    return np.column_stack([1 - p[:, 0], p]), labels, names.tolist(), patient


def matrices(folders: Sequence[Path], part: str) -> dict[str, NDArray]:
    """Confusion matrices of both tasks, rows true, the trainings added up."""
    found = [confusion_matrices(*heads_predictions(folder, part)[:2]) for folder in folders]
    return {task: np.sum([pair[k] for pair in found], axis=0) for k, task in enumerate(TASKS)}


def curve(folders: Sequence[Path]) -> Curve:
    """What the epochs of trainings that differ by their seed showed, on average.

    The accuracy is the mean of the two tasks', the loss their sum.
    """
    found = [_curve(folder) for folder in folders]
    return Curve(*(float(np.mean(values)) for values in zip(*found, strict=True)))


def accuracy_by_epoch(folder: Path, part: str) -> list[float]:
    """Mean accuracy of both tasks by epoch, of `train` or `val`."""
    rows = read_csv(folder / "epochs.csv")
    return [(float(row[f"{part}_ich_accuracy"]) + float(row[f"{part}_location_accuracy"])) / 2 for row in rows]


def loss_by_epoch(folder: Path, part: str) -> list[float]:
    """Loss by epoch, of `train` or `val`."""
    return [float(row[f"{part}_loss"]) for row in read_csv(folder / "epochs.csv")]


def _curve(folder: Path) -> Curve:
    trained, validated = accuracy_by_epoch(folder, "train"), accuracy_by_epoch(folder, "val")
    losses = loss_by_epoch(folder, "val")
    return Curve(
        train_accuracy_first=trained[0],
        train_accuracy_last=trained[-1],
        val_accuracy_first=validated[0],
        val_accuracy_last=validated[-1],
        val_accuracy_best=max(validated),
        val_loss_first=losses[0],
        val_loss_last=losses[-1],
        seconds=seconds(folder),
    )


def _judged(groups: Mapping[str, Sequence[Estimator]], slices: int, patients: int) -> Judged:
    """The means over seeds, and how far the seeds lie apart. All seeds are judged on the same slices."""
    ones = np.ones((1, patients))
    metrics = estimate({group: _mean(estimators) for group, estimators in groups.items()}, patients)
    of_seed = {group: [estimator(ones) for estimator in estimators] for group, estimators in groups.items()}
    spread = {
        group: {name: tuple(float(values[name][0]) for values in seeds) for name in seeds[0]}
        for group, seeds in of_seed.items()
    }
    return Judged(metrics, spread, slices, patients)


def _mean(estimators: Sequence[Estimator]) -> Estimator:
    def mean(weights: NDArray) -> dict[str, NDArray]:
        found = [estimator(weights) for estimator in estimators]
        return {name: np.mean([values[name] for values in found], axis=0) for name in found[0]}

    return mean


def _with_mean(estimator: Estimator) -> Estimator:
    def extended(weights: NDArray) -> dict[str, NDArray]:
        metrics = estimator(weights)
        return metrics | {"mean_accuracy": (metrics["ich_accuracy"] + metrics["location_accuracy"]) / 2}

    return extended
