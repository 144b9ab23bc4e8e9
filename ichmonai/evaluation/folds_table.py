"""What the folds of a cross-validation say, each by itself and pooled."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ichmonai.evaluation.evaluation import Evaluation
from ichmonai.notice import NOTICE

SHOWN = (
    *("ich_auc", "ich_sensitivity", "ich_specificity", "ich_balanced_accuracy", "ich_log_loss"),
    *("location_balanced_accuracy", "location_accuracy", "location_log_loss"),
)
"""Metrics of the page; the table has all."""


def folds_table(records: Sequence[Mapping[str, Any]], pooled: Evaluation) -> Iterator[dict[str, Any]]:
    """A row for each level and metric: every fold, their mean and standard deviation, and all folds as one.

    Args:
        records: metrics.json of each fold.
        pooled: evaluation of the predictions of all folds.

    Yields:
        `level`, `metric`, `fold_1` and so on, `mean`, `sd`, `pooled`, `pooled_low`, `pooled_high`; "" if not defined.
    """
    by_level = [{record["level"]: record, **record["levels"]} for record in records]
    for level, result in pooled.levels.items():
        for head, found in result.heads.items():
            for name, one in found.metrics.items():
                metric = f"{head}_{name}"
                values = [levels[level]["metrics"][metric]["value"] for levels in by_level]
                defined = [math.nan if value is None else value for value in values]
                yield {
                    "level": level,
                    "metric": metric,
                    **{f"fold_{fold}": _cell(value) for fold, value in enumerate(defined, 1)},
                    "mean": _cell(float(np.mean(defined))),
                    "sd": _cell(float(np.std(defined, ddof=1))),
                    "pooled": _cell(one.value),
                    "pooled_low": _cell(one.low),
                    "pooled_high": _cell(one.high),
                }


def folds_page(pooled: Evaluation, table: Sequence[Mapping[str, Any]], validation: float, seed: int) -> str:
    """The main metrics as Markdown.

    Args:
        pooled: evaluation of the predictions of all folds.
        table: of `folds_table`.
        validation: share of the patients outside the test fold who chose the epoch.
        seed: of the folds.
    """
    names = [column for column in table[0] if column.startswith("fold_")]
    lines = [
        f"# Cross-validation in {len(names)} folds of patients",
        "",
        f"{NOTICE} Seed {seed}; {validation:g} of the patients outside the test fold choose the epoch. "
        "Mean and standard deviation (SD) are of the folds. Pooled: all predictions as one sample, each by the network "
        "that had not seen the patient, as predicted and without temperature; 95% intervals resample patients "
        f"{pooled.resamples:,} times. They take the networks as given: how much another training would change them is "
        "what the folds show.",
    ]
    for level, result in pooled.levels.items():
        head = result.heads["ich"]
        lines += ["", f"## {level.capitalize()} level: {head.n} of {head.patients} patients", ""]
        lines += [f"Probability of a {level}: {result.cases.rule}.", ""] if level != "slice" else []
        columns = [*(name.replace("_", " ") for name in names), "mean", "SD", "pooled (95%)"]
        lines += ["| | " + " | ".join(columns) + " |", "| --- " * (len(names) + 4) + "|"]
        for row in table:
            if row["level"] == level and row["metric"] in SHOWN:
                cells = [_digits(row[name]) for name in (*names, "mean", "sd")]
                interval = f"{_digits(row['pooled'])} ({_digits(row['pooled_low'])} to {_digits(row['pooled_high'])})"
                lines.append("| " + " | ".join([row["metric"].replace("_", " "), *cells, interval]) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float) -> float | str:
    return "" if math.isnan(value) else value


def _digits(value: float | str) -> str:
    return "undefined" if isinstance(value, str) else f"{value:.3f}"
