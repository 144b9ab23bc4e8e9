"""What a finished run found, with intervals from drawing its patients."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ichmonai.classes import LOCATIONS
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.metrics import Estimator, heads_estimator
from ichmonai.tables import PROBABILITIES
from scripts.papers.reproduction.paper import Curve
from scripts.papers.reproduction.published_metrics import published_estimator
from scripts.papers.reproduction.runs import read_csv

Found = dict[str, dict[str, Estimate]]
"""Definition (`published`, `ours`, `baseline`) -> metric -> value and interval."""


def judge(folder: Path) -> tuple[Found, int, int]:
    """Metrics of a run on DTViT's heads, by both definitions.

    Returns:
        The metrics; `ours` are those of `head_metrics` and `mean_accuracy`, of both tasks; `baseline` is the accuracy
        of always saying what is commonest in the judged slices. Then the numbers of slices and of patients.
    """
    rows = read_csv(folder / "evaluation" / "predictions.csv")
    p = np.array([[float(row[name]) for name in PROBABILITIES] for row in rows])
    probabilities = np.column_stack([1 - p[:, 0], p])
    places = {"": -1} | {name: k for k, name in enumerate(LOCATIONS)}
    labels = np.array([[int(row["ich"]), places[row["location"]]] for row in rows])
    names, patient = np.unique([row["patient"] for row in rows], return_inverse=True)
    constant = np.zeros_like(probabilities)
    constant[:, np.bincount(labels[:, 0], minlength=2).argmax()] = 1
    constant[:, 2 + np.bincount(labels[labels[:, 1] >= 0, 1], minlength=3).argmax()] = 1
    estimators: dict[str, Estimator] = {
        "ours": _with_mean(heads_estimator(probabilities, labels, patient, len(names))),
        "published": published_estimator(probabilities, labels, patient, len(names)),
        "baseline": heads_estimator(constant, labels, patient, len(names)),
    }
    found = estimate(estimators, len(names))
    found["baseline"] = {name: found["baseline"][name] for name in ("ich_accuracy", "location_accuracy")}
    return found, len(rows), len(names)


def judge_rsna(folder: Path) -> tuple[Found, int, int]:
    """Metrics of a run on RSNA's labels, as its evaluation wrote them; as for `judge`."""
    record = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    found = {"ours": {name: _estimate(value) for name, value in record["metrics"].items()}}
    found |= {
        f"baseline {b}": {n: _estimate(v) for n, v in values.items()} for b, values in record["baselines"].items()
    }
    return found, record["slices"], record["patients"]


def curve(folder: Path) -> Curve:
    """What the epochs of a run showed; its accuracy is the mean of the two tasks', its loss their sum."""
    rows = read_csv(folder / "epochs.csv")

    def accuracy(part: str, row: Mapping[str, str]) -> float:
        return (float(row[f"{part}_ich_accuracy"]) + float(row[f"{part}_location_accuracy"])) / 2

    validated = [accuracy("val", row) for row in rows]
    return Curve(
        train_accuracy_first=accuracy("train", rows[0]),
        train_accuracy_last=accuracy("train", rows[-1]),
        val_accuracy_first=validated[0],
        val_accuracy_last=validated[-1],
        val_accuracy_best=max(validated),
        val_loss_first=float(rows[0]["val_loss"]),
        val_loss_last=float(rows[-1]["val_loss"]),
        seconds=json.loads((folder / "seconds.json").read_text(encoding="utf-8")),
    )


def _with_mean(estimator: Estimator) -> Estimator:
    def extended(weights: np.ndarray) -> dict[str, np.ndarray]:
        metrics = estimator(weights)
        return metrics | {"mean_accuracy": (metrics["ich_accuracy"] + metrics["location_accuracy"]) / 2}

    return extended


def _estimate(record: Mapping) -> Estimate:
    value, (low, high) = record["value"], record["interval_95"]
    return Estimate(*(float("nan") if number is None else number for number in (value, low, high)))
