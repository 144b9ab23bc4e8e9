"""What is evaluated: scores, truth and patients of slices, series or patients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import LOCATIONS
from ichmonai.errors import InputError
from ichmonai.evaluation.calibration import Calibration
from ichmonai.evaluation.phantom_truth import as_predicted, is_phantom
from ichmonai.evaluation.tables import KEYS, STUDY_KEYS, Strings, Table, identities, match, refuse_duplicates
from ichmonai.study_rule import MAX_APART

LOCATION_COLUMNS = tuple(f"p_{name}" for name in LOCATIONS)
LEVELS = ("slice", "series", "patient")


@dataclass(frozen=True)
class Cases:
    """Cases of one level.

    Attributes:
        level: `slice`, `series` or `patient`.
        rule: how the probabilities came from the level below, in words.
        names: (N,) what identifies each case.
        patients: (N,) pseudonyms.
        truth: head -> (N,) 0 or 1, or -1 unknown; of `location` 0 to 2, or -1 not applicable or unknown.
        scores: head -> (N,) probabilities; of `location` (N, 3).
        studies: (N,) series that each slice is of, or None where that is not known.
        order: (N,) position of each slice in its series, or None.
        apart: (N,) how many slices further the next one is that a slice does not overlap, or None where none does.
        columns: name -> (N,) other columns, for subgroups.
        temperature: head -> what its logits were divided by for these scores; 1 where a head is absent.
    """

    level: str
    rule: str
    names: Strings
    patients: Strings
    truth: Mapping[str, NDArray[np.int64]]
    scores: Mapping[str, NDArray[np.float64]]
    studies: Strings | None = None
    order: NDArray[np.float64] | None = None
    apart: NDArray[np.int64] | None = None
    columns: Mapping[str, Strings] | None = None
    temperature: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The heads of a label that is there or not; the first is the main one."""
        return tuple(head for head in self.truth if head != "location")

    def take(self, rows: NDArray) -> "Cases":
        """Some of the cases."""
        return replace(
            self,
            names=self.names[rows],
            patients=self.patients[rows],
            truth={head: values[rows] for head, values in self.truth.items()},
            scores={head: values[rows] for head, values in self.scores.items()},
            studies=None if self.studies is None else self.studies[rows],
            order=None if self.order is None else self.order[rows],
            apart=None if self.apart is None else self.apart[rows],
            columns=None if self.columns is None else {name: cells[rows] for name, cells in self.columns.items()},
        )

    def calibrated(self, calibration: Calibration) -> "Cases":
        """The same cases at the fitted temperatures, instead of those that they are at."""
        scores = {
            head: calibration.scale(head, score, self.temperature.get(head, 1.0)) for head, score in self.scores.items()
        }
        return replace(self, scores=scores, temperature=calibration.temperature)


@dataclass(frozen=True)
class Intake:
    """Cases as they were read, and what was left out on the way.

    Attributes:
        cases: rows of the predictions, of level `slice` or `series`; truth is -1 where there is none.
        table: the rows of the predictions that these are.
        truth_of_series: the truth is known of series, not of their slices.
        matched_by: columns that joined predictions and truth; empty where the predictions hold the truth.
        predictions_without_truth: rows of the predictions that no truth was found for.
        truth_without_prediction: rows of the truth that nothing was predicted for: failures, never negatives.
        notes: anything else the reader of the results should know.
    """

    cases: Cases
    table: Table
    truth_of_series: bool
    matched_by: tuple[str, ...]
    predictions_without_truth: int
    truth_without_prediction: int
    notes: tuple[str, ...]


def read_cases(predictions: Table, truth: Table | None = None) -> Intake:
    """Check predictions and join them with their truth.

    Args:
        predictions: `p_ich` with `p_deep`, `p_lobar` and `p_subtentorial`, or `p_<label>` of any labels; columns that
            name the row (`tables.KEYS`); `patient`, where the truth has none; `slices_apart`, where slices overlap.
        truth: `ich` 0 or 1 and `location`, or a column for each label; an empty cell is unknown. Or the `truth.csv` of
            the phantom. Without it the predictions hold these columns themselves.

    Raises:
        InputError: a column is missing, a row stands twice, nothing matches, a probability is nan or outside 0 to 1, or
            a truth is none of the above.
    """
    predictions, unanswered = _answered(predictions)
    key = next((key for key in KEYS if predictions.has(*key)), None)
    if key is None:
        needed = " or ".join(" and ".join(key) for key in KEYS)
        raise InputError(f"{predictions.name} has no column that names its rows; give {needed}.")
    refuse_duplicates(predictions, key)
    is_slices = key not in STUDY_KEYS
    scores = read_scores(predictions)
    matched_by: tuple[str, ...] = ()
    joined, unmatched, unpredicted = predictions, 0, 0
    of_truth: list[str] = []
    if truth is not None:
        if is_phantom(truth):
            truth, of_truth = as_predicted(truth, predictions, key)
        matched_by, found = match(predictions, truth)
        unmatched, unpredicted = int((found < 0).sum()), len(truth) - len(np.unique(found[found >= 0]))
        joined = _joined(predictions, truth, found, scores)
        if not ("study" in predictions.columns or {"patient", "slice"} <= predictions.columns.keys()):
            rows = found >= 0  # the others belong to nothing that is evaluated
            joined, predictions = joined.take(rows), predictions.take(rows)
            scores = {head: score[rows] for head, score in scores.items()}
    labels, notes = _truth(joined, scores, predictions if truth is None else truth)
    notes += of_truth
    patients = _patients(joined, truth or predictions)
    if unanswered:
        notes.append(f"{unanswered} rows of {predictions.name} hold no probability and are in no number.")
    if (patients == joined.columns.get("study")).all():
        notes.append("There is no column patient: each study counts as a patient of its own.")
    studies, order = _series(joined, patients, is_slices)
    cases = Cases(
        level="slice" if is_slices else "series",
        rule="as predicted",
        names=identities(predictions, key),
        patients=patients,
        truth=labels,
        scores={head: score for head, score in scores.items() if head in labels},
        studies=studies,
        order=order,
        apart=_apart(joined, studies),
        columns={name: cells for name, cells in joined.columns.items() if not name.startswith("p_")},
        temperature=predictions.temperature,
    )
    known = patients != ""
    if not known.all():
        judged = np.any([values >= 0 for values in labels.values()], axis=0) & ~known
        if judged.any():
            raise InputError(f"{joined.line(int(np.argmax(judged)))}: patient is empty; name each row's patient.")
        cases, joined = cases.take(known), joined.take(known)
    _check_patients(cases, joined)
    truth_of_series = is_slices and matched_by in STUDY_KEYS
    return Intake(cases, joined, truth_of_series, matched_by, unmatched, unpredicted, tuple(notes))


def read_scores(table: Table) -> dict[str, NDArray[np.float64]]:
    """The probabilities of each head: (N,) of a label, (N, 3) of `location`.

    Raises:
        InputError: there are none, or one is nan or outside 0 to 1, or the locations do not add up to 1.
    """
    names = [name for name in table.columns if name.startswith("p_")]
    if not names:
        raise InputError(
            f"{table.name} has no column of probabilities; give p_ich, {', '.join(LOCATION_COLUMNS)}, or p_<label>."
        )
    missing = [name for name in LOCATION_COLUMNS if name not in names]
    if 0 < len(missing) < len(LOCATION_COLUMNS):
        raise InputError(f"{table.name} lacks {', '.join(missing)}; give all three locations or none.")
    values = {}
    for name in names:
        values[name] = table.numbers(name)
        wrong = ~((values[name] >= 0) & (values[name] <= 1))  # nan is neither
        if wrong.any():
            row = int(np.argmax(wrong))
            shown = table.columns[name][row] or "empty"
            raise InputError(
                f"{table.line(row)}: {name} is {shown} ({int(wrong.sum())} such rows); a probability is between 0 and "
                "1, so look at what went wrong there."
            )
    scores = {name[2:]: values[name] for name in names if name not in LOCATION_COLUMNS}
    if not missing:
        location = np.stack([values[name] for name in LOCATION_COLUMNS], axis=1)
        wrong = np.abs(location.sum(axis=1) - 1) > 1e-3
        if wrong.any():
            raise InputError(
                f"{table.line(int(np.argmax(wrong)))}: {', '.join(LOCATION_COLUMNS)} do not add up to 1 "
                f"({int(wrong.sum())} such rows); give the probabilities of each location if there is a haemorrhage."
            )
        scores["location"] = location
    return scores


def _answered(table: Table) -> tuple[Table, int]:
    """The rows with any probability, and how many have none, such as slices outside the brain."""
    cells = [column != "" for name, column in table.columns.items() if name.startswith("p_")]
    answered = np.any(cells, axis=0) if cells else np.ones(len(table), dtype=bool)
    return (table, 0) if answered.all() else (table.take(answered), int((~answered).sum()))


def _joined(predictions: Table, truth: Table, found: NDArray[np.int64], heads: Iterable[str]) -> Table:
    """The predictions' rows with the truth's columns, which win; empty where there is no truth."""
    predicted = set(heads) - truth.columns.keys()  # a `location` beside the predictions is one, and no truth
    columns = {name: cells for name, cells in predictions.columns.items() if name not in predicted}
    for name, cells in truth.columns.items():
        if name in ("image", "study", "series", "slice", "sop_instance_uid") and name in columns:
            continue
        theirs = np.where(found >= 0, cells[found], "")
        columns[name] = (
            np.where(theirs == "", columns[name], theirs) if name == "patient" and name in columns else theirs
        )
    if "study" in columns and "patient" in columns:  # a slice without truth is of its study's patient
        patient_of = dict(zip(columns["study"][found >= 0], columns["patient"][found >= 0], strict=True))
        filled = [
            patient or patient_of.get(s, "") for s, patient in zip(columns["study"], columns["patient"], strict=True)
        ]
        columns["patient"] = np.array(filled, dtype=np.str_)
    return replace(predictions, columns=columns)


def _truth(
    table: Table, scores: Mapping[str, NDArray], source: Table
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    labels: dict[str, NDArray[np.int64]] = {}
    missing = [head for head in scores if head not in table.columns]
    for head in scores:
        if head in missing or head == "location":
            continue
        values = table.numbers(head)
        wrong = ~(np.isnan(values) | (values == 0) | (values == 1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{source.name}: {head} of {table.line(row)} is '{table.columns[head][row]}'; give 0, 1 or an empty "
                "cell."
            )
        labels[head] = np.where(np.isnan(values), -1, values).astype(np.int64)
    if not labels:
        raise InputError(
            f"{source.name} lacks the truth: there is no column {' or '.join(sorted(missing))}; give 0 or 1 in it."
        )
    notes = [f"p_{head} was not evaluated: there is no column {head} of its truth." for head in missing]
    if "location" in scores and "location" in table.columns and "ich" in labels:
        labels["location"] = _locations(table, labels["ich"], source)
    return labels, notes


def _locations(table: Table, ich: NDArray[np.int64], source: Table) -> NDArray[np.int64]:
    cells = np.char.lower(table.columns["location"])
    codes = np.full(len(cells), -1)
    for code, name in enumerate(LOCATIONS):
        codes[cells == name] = code
    wrong = (cells != "") & (codes < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{source.name}: location of {table.line(row)} is '{table.columns['location'][row]}'; give "
            f"{', '.join(LOCATIONS)} or an empty cell."
        )
    contradiction = (codes >= 0) & (ich == 0)
    if contradiction.any():
        row = int(np.argmax(contradiction))
        raise InputError(
            f"{source.name} contradicts itself for {table.line(row)}: ich is 0 but location is "
            f"{table.columns['location'][row]}; mend one of them."
        )
    return np.where(ich == 1, codes, -1)


def _patients(table: Table, source: Table) -> Strings:
    if "patient" in table.columns and (table.columns["patient"] != "").any():
        return table.columns["patient"]
    if table.has("study"):
        return table.columns["study"]
    raise InputError(
        f"Neither {table.name} nor {source.name} has a column patient; name each row's patient, because slices of one "
        "patient are not independent and intervals resample patients."
    )


def _series(table: Table, patients: Strings, is_slices: bool) -> tuple[Strings | None, NDArray[np.float64] | None]:
    order = table.numbers("slice") if is_slices and table.has("slice") else None
    for key in STUDY_KEYS:
        if table.has(*key):
            return identities(table, key), order
    if order is not None:  # slices numbered within a patient are one series
        pairs = set(zip(patients.tolist(), order.tolist(), strict=True))
        if len(pairs) == len(order):
            return patients, order
    return None, None


def _check_patients(cases: Cases, table: Table) -> None:
    """A series of two patients would count as one of them."""
    if cases.studies is None or not len(cases):
        return
    _, first, group = np.unique(cases.studies, return_index=True, return_inverse=True)
    wrong = cases.patients != cases.patients[first][group]
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table.line(row)}: patient is another than in line {table.line_number(int(first[group][row]))}, of the "
            "same study; give each study one patient."
        )


def _apart(table: Table, studies: Strings | None) -> NDArray[np.int64] | None:
    """How far slices overlap, as `slices.csv` of a prediction says of each series."""
    if studies is None or "slices_apart" not in table.columns:
        return None
    values = table.numbers("slices_apart")
    wrong = ~((values >= 1) & (values <= MAX_APART) & (values == np.round(values)))
    _, first, group = np.unique(studies, return_index=True, return_inverse=True)
    wrong |= values != values[first][group]
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table.line(row)}: slices_apart is '{table.columns['slices_apart'][row]}'; give a whole number from 1 to "
            f"{MAX_APART}, the same for all slices of a series."
        )
    return values.astype(np.int64)
