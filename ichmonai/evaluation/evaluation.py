"""One evaluation: of a command, of Python code and of the Ignite handler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import LOCATIONS
from ichmonai.errors import InputError
from ichmonai.evaluation.calibration import ZONES, Calibration, zone
from ichmonai.evaluation.cases import Cases, Intake, read_cases, read_scores
from ichmonai.evaluation.delong import AUCComparison, compare_auc
from ichmonai.evaluation.fitting import fit_calibration, levels_of
from ichmonai.evaluation.intervals import RESAMPLES, Estimate, estimate
from ichmonai.evaluation.mask_files import mask_pairs, truth_of_folder
from ichmonai.evaluation.mask_metrics import MaskResult, judge_masks
from ichmonai.evaluation.metrics import THRESHOLD, Estimator, binary_estimator, confusion, location_estimator
from ichmonai.evaluation.operating import in_sample_reading, net_benefit, operating_estimator, zone_estimator
from ichmonai.evaluation.reliability import location_reliability_estimator, reliability_estimator
from ichmonai.evaluation.subgroups import Subgroup, subgroup_metrics
from ichmonai.evaluation.tables import Table, match, read_table

Estimates = Mapping[str, Estimate]
Source = str | PathLike | Table


@dataclass(frozen=True)
class HeadResult:
    """What was found of one head at one level.

    Attributes:
        n: cases with a known truth (of `location`: with a haemorrhage of known location).
        patients: how many they are of.
        counts: class -> cases.
        baseline_accuracy: of always saying the commonest class.
        metrics: as predicted, a label at threshold 0.5, `location` at its most probable class.
        confusion: rows true, columns predicted.
        calibration: `before` and, with a calibration, `after` temperature.
        operating_points: a label's `default` threshold of 0.5, and those fitted on validation.
        thresholds: of the operating points.
        zones: of a label's three-way decisions whose thresholds were fitted, see `zone_estimator`.
        bounds: of these, up to which probability a case is negative, and above which it is positive.
        in_sample: operating points read off this sample's own ROC curve; optimistic.
        decision_curve: net benefit by threshold, calibrated where there is a calibration.
        comparison: with the other model.
        subgroups: column -> groups.
    """

    n: int
    patients: int
    counts: dict[str, int]
    baseline_accuracy: float
    metrics: Estimates
    confusion: NDArray[np.int64]
    calibration: dict[str, Estimates]
    operating_points: dict[str, Estimates] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    zones: dict[str, Estimates] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    in_sample: dict[str, float] = field(default_factory=dict)
    decision_curve: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    comparison: AUCComparison | None = None
    subgroups: dict[str, list[Subgroup]] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelResult:
    """What was found at one level.

    Attributes:
        cases: what was judged, as predicted.
        calibrated: the same at the fitted temperatures, or None.
        heads: head -> result.
    """

    cases: Cases
    calibrated: Cases | None
    heads: dict[str, HeadResult]


@dataclass(frozen=True)
class Evaluation:
    """All that one evaluation found; `ichmonai.evaluation.write_evaluation` writes it down.

    Attributes:
        levels: `slice`, `series` and `patient`, as far as known, the finest first.
        intake: the cases, and what was left out of them.
        calibration: what was applied, or None.
        calibration_is_new: it was fitted in this evaluation, on the validation predictions.
        inputs: role -> file and SHA-256.
        resamples: draws of the intervals.
        seed: of the draws.
        comparison_unmatched: cases that the other model has no prediction of.
        split: what the cases are, for the record.
        masks: what was found of masks; None where predictions and truth do not both name some.
    """

    levels: dict[str, LevelResult]
    intake: Intake
    calibration: Calibration | None
    calibration_is_new: bool
    inputs: dict[str, dict[str, str]]
    resamples: int
    seed: int
    comparison_unmatched: int = 0
    split: str = ""
    masks: MaskResult | None = None

    @property
    def finest(self) -> LevelResult:
        """The result at the finest level."""
        return next(iter(self.levels.values()))


def evaluate(
    predictions: Source,
    truth: Source | None = None,
    *,
    validation: Source | None = None,
    calibration: str | PathLike | Calibration | None = None,
    compare: Source | None = None,
    subgroups: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    split: str = "",
    binary_masks: bool = False,
) -> Evaluation:
    """Evaluate predictions at slice, series and patient level.

    Args:
        predictions: csv file or table; see `ichmonai.evaluation.cases.read_cases` for its columns.
        truth: csv file or table of the truth, or folder of true masks named as their scans; without it the predictions
            hold it. Where predictions and truth have a column `mask`, masks are judged, too.
        validation: predictions that temperature and thresholds are fitted on. Their truth is in `truth` or in
            themselves. Their patients must be others.
        calibration: a calibration fitted before, instead of `validation`. Without either nothing is fitted.
        compare: predictions of another model for the same cases.
        subgroups: columns, see `ichmonai.evaluation.subgroups`; at the finest level.
        resamples: draws of the intervals.
        seed: of the draws.
        split: what the cases are, for the record.
        binary_masks: true masks say blood, and not its kind.

    Raises:
        InputError: the files do not fit, see `read_cases`; validation and test share a patient; a column is not there.

    Example:
        >>> rows = {"image": ["a", "b", "c"], "patient": ["1", "2", "3"], "ich": ["0", "1", "1"]}
        >>> rows |= {"p_ich": ["0.2", "0.9", "0.4"]}
        >>> table = Table("rows", {name: np.array(cells) for name, cells in rows.items()})
        >>> evaluate(table, resamples=10).finest.heads["ich"].metrics["sensitivity"].value
        0.5
    """
    if validation is not None and calibration is not None:
        raise InputError("Give either validation predictions or a calibration that was fitted before, not both.")
    if isinstance(truth, str | PathLike) and Path(truth).is_dir():
        predictions = predictions if isinstance(predictions, Table) else read_table(predictions)
        truth = truth_of_folder(Path(truth), predictions, binary_masks)
    tables = {
        role: source if isinstance(source, Table) else read_table(source)
        for role, source in {
            "predictions": predictions,
            "truth": truth,
            "validation": validation,
            "compare": compare,
        }.items()
        if source is not None
    }
    known = tables.get("truth")
    intake = read_cases(tables["predictions"], known)
    applied = Calibration.read(calibration) if isinstance(calibration, (str, PathLike)) else calibration
    if "validation" in tables:
        validated = _validation(tables["validation"], known, intake)
        applied = fit_calibration(validated)
        if validated.matched_by and known is not None:  # their rows of the truth are predicted, elsewhere
            predicted = len(known) - validated.truth_without_prediction
            intake = replace(intake, truth_without_prediction=intake.truth_without_prediction - predicted)
    other, rows = _other(tables["compare"], intake, known is None) if "compare" in tables else (None, None)
    levels = levels_of(intake)
    if not levels:
        raise InputError(f"No row of {intake.table.name} has a known truth; fill in the truth's columns.")
    scaled = levels_of(intake, intake.cases.calibrated(applied)) if applied else {}
    pairs = _pairs(intake, other, rows)
    results = {}
    for level, cases in levels.items():
        columns = subgroups if level == next(iter(levels)) else ()
        heads = {
            head: _head(cases, scaled.get(level), head, applied, pairs.get(level), columns, resamples, seed)
            for head in cases.truth
        }
        results[level] = LevelResult(cases, scaled.get(level), heads)
    return Evaluation(
        levels=results,
        intake=intake,
        calibration=applied,
        calibration_is_new="validation" in tables,
        inputs={role: {"file": table.name, "sha256": table.sha256} for role, table in tables.items()},
        resamples=resamples,
        seed=seed,
        comparison_unmatched=0 if rows is None else len(intake.cases) - len(rows),
        split=split,
        masks=judge_masks(mask_pairs(tables["predictions"], known, binary_masks), binary_masks, resamples, seed),
    )


def _validation(table: Table, truth: Table | None, test: Intake) -> Intake:
    own = {name[2:] for name in table.columns if name.startswith("p_")} & table.columns.keys()
    validation = read_cases(table, None if own else truth)
    shared = sorted(set(validation.cases.patients.tolist()) & set(test.cases.patients.tolist()))
    if shared:
        raise InputError(
            f"{len(shared)} patients of {table.name} are also in {test.table.name}; fit on other patients than are "
            "tested (or give patients of different hospitals different names)."
        )
    return validation


def _other(table: Table, intake: Intake, truth_is_own: bool) -> tuple[Cases, NDArray[np.int64]]:
    """The other model's scores as cases, and the rows of the first model's cases that they are of."""
    _, found = match(intake.table, table)
    rows = np.flatnonzero(found >= 0)
    mine, scores = intake.cases.take(rows), read_scores(table)
    for head, truth in mine.truth.items():
        if head not in scores:
            raise InputError(f"{table.name} has no p_{head} to compare with that of {intake.table.name}; add it.")
        if truth_is_own and head in table.columns and head != "location":
            theirs = table.numbers(head)[found[rows]]
            if not np.array_equal(np.where(np.isnan(theirs), -1, theirs), truth):
                raise InputError(f"{table.name} and {intake.table.name} differ in {head}, the truth; mend one of them.")
    return replace(mine, scores={head: scores[head][found[rows]] for head in mine.truth}), rows


def _pairs(intake: Intake, other: Cases | None, rows: NDArray[np.int64] | None) -> dict[str, tuple[Cases, Cases]]:
    if other is None or rows is None:
        return {}
    mine, theirs = levels_of(intake, intake.cases.take(rows)), levels_of(intake, other)
    return {level: (mine[level], theirs[level]) for level in mine}


def _head(
    cases: Cases,
    scaled: Cases | None,
    head: str,
    calibration: Calibration | None,
    pair: tuple[Cases, Cases] | None,
    columns: Sequence[str],
    n: int,
    seed: int,
) -> HeadResult:
    rows = cases.truth[head] >= 0
    truth, score = cases.truth[head][rows], cases.scores[head][rows]
    names, patient = np.unique(cases.patients[rows], return_inverse=True)
    patients = len(names)
    after = None if scaled is None else scaled.scores[head][rows]
    versions = {"before": score} if after is None else {"before": score, "after": after}
    location = head == "location"
    of_metrics = location_estimator if location else binary_estimator
    of_calibration = location_reliability_estimator if location else reliability_estimator
    estimators: dict[str, Estimator] = {"metrics": of_metrics(truth, score, patient, patients)}
    estimators |= {version: of_calibration(truth, p, patient, patients) for version, p in versions.items()}
    classes = LOCATIONS if location else (f"without {head}", head)
    counts = np.bincount(truth, minlength=len(classes))
    facts: dict[str, Any] = {
        "n": len(truth),
        "patients": patients,
        "counts": dict(zip(classes, counts.tolist(), strict=True)),
        "baseline_accuracy": float(counts.max() / len(truth)) if len(truth) else float("nan"),
    }
    if location:
        found = estimate(estimators, patients, n, seed)
        predicted: NDArray = score.argmax(axis=1)
    else:
        points = calibration.thresholds.get(cases.level, {}).get(head, {}) if calibration else {}
        thresholds = {"default": THRESHOLD, **points}
        for name, threshold in thresholds.items():
            p = score if name == "default" or after is None else after  # thresholds are of calibrated probabilities
            estimators[name] = operating_estimator(truth, p, patient, patients, threshold)
        bounds = {name: zone(points, name) for name, needed in ZONES.items() if points.keys() >= set(needed)}
        for name, pair_of in bounds.items():
            estimators[name] = zone_estimator(truth, score if after is None else after, patient, patients, pair_of)
        found = estimate(estimators, patients, n, seed)
        predicted = score > THRESHOLD
        facts |= {
            "operating_points": {name: found[name] for name in thresholds},
            "thresholds": thresholds,
            "zones": {name: found[name] for name in bounds},
            "bounds": bounds,
            "in_sample": in_sample_reading(truth, score),
            "decision_curve": net_benefit(truth, score if after is None else after),
            "subgroups": {column: subgroup_metrics(cases, head, column, n, seed) for column in columns},
            "comparison": None if pair is None else _compared(pair, head),
        }
    return HeadResult(
        metrics=found["metrics"],
        calibration={version: found[version] for version in versions},
        confusion=confusion(truth, predicted, len(classes)),
        **facts,
    )


def _compared(pair: tuple[Cases, Cases], head: str) -> AUCComparison:
    mine, theirs = pair
    rows = mine.truth[head] >= 0
    patient = np.unique(mine.patients[rows], return_inverse=True)[1]
    return compare_auc(mine.truth[head][rows], mine.scores[head][rows], theirs.scores[head][rows], patient)
