"""From slices to series and patients, with the rule of each step in words."""

import numpy as np
from numpy.typing import NDArray

from ichmonai.evaluation.cases import Cases
from ichmonai.evaluation.tables import Strings
from ichmonai.study_rule import RULE, highest_of_neighbours, mean_location

HIGHEST = "the highest of its slices, whose order is not known; location: mean, weighted by ICH probability squared"
OF_STUDIES = "the highest of its series; location: mean, weighted by ICH probability squared"


def series_of(cases: Cases) -> Cases | None:
    """The series of slices, or None where it is not known which series a slice is of."""
    if cases.level != "slice" or cases.studies is None:
        return None
    rule = HIGHEST if cases.order is None else RULE
    return _grouped(cases, cases.studies, "series", rule)


def patients_of(cases: Cases) -> Cases:
    """The patients of slices or series; from slices by way of their series, where these are known."""
    if cases.level == "series":
        return _grouped(cases, cases.patients, "patient", OF_STUDIES)
    series = series_of(cases)
    if series is None:
        return _grouped(cases, cases.patients, "patient", HIGHEST)
    patients = _grouped(series, series.patients, "patient", f"{OF_STUDIES} (a series: {series.rule})")
    location = _grouped(cases, cases.patients, "patient", "").scores  # weighted over all slices, not over series
    scores = {head: location[head] if head == "location" else score for head, score in patients.scores.items()}
    return Cases("patient", patients.rule, patients.names, patients.patients, patients.truth, scores)


def _grouped(cases: Cases, keys: Strings, level: str, rule: str) -> Cases:
    names, group = np.unique(keys, return_inverse=True)
    order = np.zeros(len(keys)) if cases.order is None else cases.order
    rows = np.lexsort((order, group))
    group = group[rows]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    truth = {head: _any(cases.truth[head][rows], first) for head in cases.labels}
    scores = {}
    for head, score in cases.scores.items():
        if head == "location":
            truth[head] = _commonest(cases.truth[head][rows], group, len(names))
            scores[head] = mean_location(cases.scores["ich"][rows], score[rows], first)
        elif rule == RULE:
            apart = np.ones(len(first), dtype=np.int64) if cases.apart is None else cases.apart[rows][first]
            scores[head] = highest_of_neighbours(score[rows], first, apart)
        else:
            scores[head] = np.maximum.reduceat(score[rows], first)
    columns = {name: _common(cells[rows], group, first) for name, cells in (cases.columns or {}).items()}
    return Cases(level, rule, names, cases.patients[rows][first], truth, scores, columns=columns)


def _common(cells: Strings, group: NDArray[np.integer], first: NDArray[np.integer]) -> Strings:
    """What all cells of each group say; empty where they differ."""
    same = np.logical_and.reduceat(cells == cells[first][group], first)
    return np.where(same, cells[first], "")


def _any(truth: NDArray[np.int64], first: NDArray[np.integer]) -> NDArray[np.int64]:
    """1 where any is 1; 0 where all are 0; -1 where none is 1 and some are unknown."""
    highest, lowest = np.maximum.reduceat(truth, first), np.minimum.reduceat(truth, first)
    return np.where(highest == 1, 1, lowest)


def _commonest(location: NDArray[np.int64], group: NDArray[np.integer], groups: int) -> NDArray[np.int64]:
    """The location of most slices with a haemorrhage; -1 where there is none or a tie."""
    known = location >= 0
    classes = int(location.max(initial=-1)) + 1
    if not classes:
        return np.full(groups, -1)
    cell = group[known] * classes + location[known]
    counts = np.bincount(cell, minlength=groups * classes).reshape(groups, classes)
    most = counts.max(axis=1)
    unique = (counts == most[:, None]).sum(axis=1) == 1
    return np.where((most > 0) & unique, counts.argmax(axis=1), -1)
