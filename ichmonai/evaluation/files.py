"""What an evaluation leaves: metrics.json, metrics.csv, report.html, and calibration.json where one was fitted."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ichmonai import __version__
from ichmonai.csv_cells import csv_cell
from ichmonai.evaluation.evaluation import Estimates, Evaluation, HeadResult, LevelResult
from ichmonai.evaluation.intervals import json_number
from ichmonai.evaluation.mask_metrics import MaskResult
from ichmonai.notice import NOTICE
from ichmonai.private_files import make_folder, replacing, write_text
from ichmonai.tables import write_csv

_COLUMNS = ("level", "head", "section", "condition", "metric", "value", "low", "high")


def write_evaluation(
    evaluation: Evaluation, directory: str | PathLike, gallery: int = 12, more: Mapping[str, float] | None = None
) -> None:
    """Write the files of an evaluation.

    - `metrics.json`: all of it; null where a metric is not defined.
    - `metrics.csv`: tidy, a number a row, with its interval; empty where not defined.
    - `report.html`: to read; opens without a network.
    - `masks.csv`: of each study and kind, where masks were judged.
    - `calibration.json`: to keep beside the weights; only where it was fitted here, on validation.

    Args:
        evaluation: result of `evaluate`.
        directory: folder of the files; made if absent, files of these names are replaced.
        gallery: false positives and false negatives that the report shows.
        more: further metrics of the run without interval, such as `loss`, for metrics.json.
    """
    from ichmonai.evaluation.report import render_report  # takes seconds to import, and training needs metrics only

    folder = Path(directory)
    make_folder(folder)
    record = evaluation_record(evaluation, more)
    write_text(folder / "metrics.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
    with replacing(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(
            [*map(csv_cell, row[:5]), *(_cell(value) for value in row[5:])] for row in measures(evaluation)
        )
    if evaluation.masks is not None:
        rows = [
            {
                name: _cell(value) if isinstance(value, float) else value
                for name, value in row.items()
                if name != "patient"
            }
            for row in evaluation.masks.rows
        ]
        write_csv(folder / "masks.csv", rows[0], rows)
    write_text(folder / "report.html", render_report(evaluation, gallery))
    if evaluation.calibration is not None and evaluation.calibration_is_new:
        evaluation.calibration.write(folder / "calibration.json")


def evaluation_record(evaluation: Evaluation, more: Mapping[str, float] | None = None) -> dict[str, Any]:
    """All of an evaluation as JSON values.

    The finest level stands at the top, the coarser ones under `levels`; each has its `metrics`, named as in
    `head_metrics`.
    """
    intake, (finest, *coarser) = evaluation.intake, evaluation.levels.items()
    top = _level(*finest)
    for name, value in (more or {}).items():
        top["metrics"].setdefault(name, {"value": json_number(value)})
    return {
        "notice": NOTICE,
        "version": __version__,
        "split": evaluation.split,
        "inputs": evaluation.inputs,
        "resamples": evaluation.resamples,
        "seed": evaluation.seed,
        "matched_by": list(intake.matched_by),
        "predictions_without_truth": intake.predictions_without_truth,
        "truth_without_prediction": intake.truth_without_prediction,
        "comparison_unmatched": evaluation.comparison_unmatched,
        "notes": list(intake.notes),
        "temperature": dict(evaluation.calibration.temperature) if evaluation.calibration else None,
        **top,
        "levels": {level: _level(level, result) for level, result in coarser},
        **({} if evaluation.masks is None else {"masks": _masks(evaluation.masks)}),
    }


def measures(evaluation: Evaluation) -> Iterator[tuple]:
    """Every number as level, head, section, condition, metric, value and interval."""
    for level, result in evaluation.levels.items():
        for head, found in result.heads.items():
            for section, condition, estimates in _sections(found):
                for metric, one in estimates.items():
                    yield level, head, section, condition, metric, *one
            for metric, value in found.in_sample.items():
                yield level, head, "in_sample", "", metric, value, math.nan, math.nan
            if found.comparison is not None:
                compared = found.comparison
                yield level, head, "comparison", "", "auc_difference", compared.difference, *compared.interval
                yield level, head, "comparison", "", "p_value", compared.p_value, math.nan, math.nan
    for head, mask in evaluation.masks.heads.items() if evaluation.masks else ():
        for metric, one in mask.metrics.items():
            yield "study", head, "mask", "", metric, *one


def _masks(result: MaskResult) -> dict[str, Any]:
    return {
        head: {"studies": one.n, "bleeding": one.bleeding, "metrics": _estimates(one.metrics)}
        for head, one in result.heads.items()
    }


def _sections(found: HeadResult) -> Iterator[tuple[str, str, Estimates]]:
    yield "metrics", "", found.metrics
    for version, estimates in found.calibration.items():
        yield "calibration", version, estimates
    for point, estimates in found.operating_points.items():
        yield "operating_point", point, estimates
    for name, estimates in found.zones.items():
        yield "zone", name, estimates
    for column, groups in found.subgroups.items():
        for group in groups:
            shown = {name: one for name, one in group.metrics.items() if one is not None}
            yield "subgroup", f"{column}={group.group}", shown


def _level(level: str, result: LevelResult) -> dict[str, Any]:
    patients = len(np.unique(result.cases.patients))
    record: dict[str, Any] = {
        "level": level,
        "rule": result.cases.rule,
        "slices" if level == "slice" else "cases": len(result.cases),
        "patients": patients,
        "metrics": {
            f"{head}_{name}": one.record()
            for head, found in result.heads.items()
            for name, one in found.metrics.items()
        },
        "heads": {head: _head(found) for head, found in result.heads.items()},
    }
    return record


def _head(found: HeadResult) -> dict[str, Any]:
    record: dict[str, Any] = {
        "n": found.n,
        "patients": found.patients,
        "counts": found.counts,
        "baseline_accuracy": json_number(found.baseline_accuracy),
        "confusion": found.confusion.tolist(),
        "calibration": {version: _estimates(estimates) for version, estimates in found.calibration.items()},
    }
    if found.operating_points:
        record["operating_points"] = {
            name: {"threshold": found.thresholds[name], **_estimates(estimates)}
            for name, estimates in found.operating_points.items()
        }
        if len(found.operating_points) == 1:
            record["operating_points"]["sensitivity and specificity at 90 and 95%"] = "not fitted"
        record["zones"] = {
            name: {"negative_up_to": low, "positive_above": high, **_estimates(found.zones[name])}
            for name, (low, high) in found.bounds.items()
        }
        record["in_sample_reading_optimistic"] = {name: json_number(value) for name, value in found.in_sample.items()}
        record["decision_curve"] = {name: values.round(6).tolist() for name, values in found.decision_curve.items()}
        record["subgroups"] = {
            column: [_subgroup(group) for group in groups] for column, groups in found.subgroups.items()
        }
    if found.comparison is not None:
        record["comparison"] = {
            name: [json_number(v) for v in value] if isinstance(value, tuple) else json_number(value)
            for name, value in asdict(found.comparison).items()
        }
    return record


def _subgroup(group: Any) -> dict[str, Any]:
    record = {name: getattr(group, name) for name in ("group", "n", "patients", "positives")}
    record |= {name: getattr(group, name) for name in ("positive_patients", "negative_patients")}
    return record | {name: "too few" if one is None else one.record() for name, one in group.metrics.items()}


def _estimates(estimates: Estimates) -> dict[str, Any]:
    return {name: one.record() for name, one in estimates.items()}


def _cell(value: float) -> float | str:
    return "" if math.isnan(value) else value
