"""The `truth.csv` of `ichmonai phantom` as a truth of whatever was predicted from its images."""

from dataclasses import replace

import numpy as np

from ichmonai.classes import RSNA_LABELS
from ichmonai.errors import InputError
from ichmonai.evaluation.tables import STUDY_KEYS, Strings, Table

_COLUMNS = {"patient", "kind", "file", "study", "sop_instance_uid", "slice", "ich", "location", *RSNA_LABELS}
_LABELS = ("ich", *RSNA_LABELS)
ANY_NOTE = (
    "ich is any haemorrhage, as the column any of the phantom's truth, since the predictions tell kinds apart; its "
    "column ich is intracerebral haemorrhage alone."
)


def is_phantom(truth: Table) -> bool:
    """Whether a table is the truth that the phantom writes."""
    return truth.columns.keys() >= _COLUMNS


def as_predicted(truth: Table, predictions: Table, key: tuple[str, ...]) -> tuple[Table, list[str]]:
    """The phantom's truth with the names that predictions have, by study where they are of studies.

    Args:
        truth: as the phantom wrote it, a row a slice.
        predictions: of its images, in any of its layouts.
        key: columns that name the rows of the predictions.

    Returns:
        The truth, and notes for the reader of the results.

    Raises:
        InputError: none of its files was predicted.
    """
    columns, notes = dict(truth.columns), []
    if any(f"p_{kind}" in predictions.columns for kind in RSNA_LABELS[1:]):  # such weights say any haemorrhage
        columns["ich"] = columns["any"]
        columns["location"] = np.where(columns["intraparenchymal"] == "1", columns["location"], "")
        notes.append(ANY_NOTE)
    if key == ("image",):
        columns["image"] = columns["file"]
    elif not (columns["study"] != "").all():
        columns["study"] = _studies(columns["file"], predictions.columns.get("study", np.array([""])))
        if not (columns["study"] != "").any():
            raise InputError(
                f"No file of {truth.name} was predicted in {predictions.name}; look whether they are of one phantom."
            )
        _, number, count = np.unique(columns["file"], return_inverse=True, return_counts=True)
        columns["slice"] = np.where(count[number] > 1, columns["slice"], "0")  # a file of one slice has that one
    named = replace(truth, columns=columns)
    return (_by_study(named) if key in STUDY_KEYS else named), notes


def _studies(files: Strings, studies: Strings) -> Strings:
    """The study that each file is, by the end of its path; the file itself where it was not predicted."""
    wanted = set(files.tolist())
    found = {}
    for study in np.unique(studies).tolist():
        parts = study.replace("\\", "/").split("/")
        for start in range(len(parts)):
            if (end := "/".join(parts[start:])) in wanted:
                found[end] = study
                break
    if not found:
        return np.full(len(files), "")
    return np.array([found.get(file, file) for file in files.tolist()], dtype=np.str_)


def _by_study(truth: Table) -> Table:
    """A row a study: a label where any of its slices has it, and columns that somebody added and that say one thing."""
    numbers = {name: truth.numbers(name) for name in _LABELS}  # which says what is none
    _, first, group = np.unique(truth.columns["study"], return_index=True, return_inverse=True)
    added = {name: values for name, values in truth.columns.items() if name not in _COLUMNS}
    columns = {name: truth.columns[name][first] for name in ("study", "patient", "kind", "file")}
    columns |= {name: values[first] for name, values in added.items() if (values == values[first][group]).all()}
    for name, values in numbers.items():
        highest = np.full(len(first), -1.0)
        np.maximum.at(highest, group, np.where(np.isnan(values), -1, values))
        columns[name] = np.where(highest < 0, "", np.char.mod("%g", highest))
    location = np.full(len(first), "", dtype=truth.columns["location"].dtype)
    bleeding = truth.columns["location"] != ""
    location[group[bleeding]] = truth.columns["location"][bleeding]  # a phantom bleeds in one place
    return replace(truth, columns={**columns, "location": location}, rows=first)
