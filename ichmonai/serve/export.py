"""Readings as data to evaluate and to train on."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ichmonai.classes import KINDS
from ichmonai.errors import InputError
from ichmonai.io.series import ImageSource
from ichmonai.monailabel.training_data import LabelledStudy, write_training_data
from ichmonai.prediction.identify import identity
from ichmonai.private_files import make_folder, write_text
from ichmonai.serve.readings import Readings
from ichmonai.serve.store import Store
from ichmonai.tables import KIND_PROBABILITIES, PROBABILITIES, write_csv

_PREDICTIONS = ("patient", "study", "series", "ich", "location", *PROBABILITIES, *KIND_PROBABILITIES)


@dataclass
class Exported:
    """What an export has.

    Attributes:
        studies: those that were read.
        slices: labelled ones.
        disputed: studies of which readers say different things; they are left out.
        without_slices: studies with a haemorrhage whose slices no reader named, or of one slice: no slice is labelled.
    """

    studies: int = 0
    slices: int = 0
    disputed: int = 0
    without_slices: int = 0


def export_readings(store: Store, out: Path) -> Exported:
    """Write what readers said, with the images that they said it of.

    `slices.csv` with `images/` is what `load_datalist` reads, and so every training and the bundle's evaluation;
    `predictions.csv` (slices) and `studies.csv` are the answers beside the readings, for `ichmonai evaluate`;
    `readings.csv` is all that was said. Patients are pseudonyms.

    Args:
        store: of the server.
        out: new or empty folder.

    Returns:
        Counts.

    Raises:
        InputError: nothing was read, or the folder is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; give a new folder.")
    readings = Readings(store)
    counts, studies, slices, labelled = Exported(), [], [], []
    kinds: dict[str, list[str]] = {}
    make_folder(out)
    for study, reading in _agreed(store, readings, counts):
        counts.studies += 1
        name = _patient(study)
        said = {"patient": name, "ich": int(reading["haemorrhage"]), "location": reading["location"]}
        row = study["row"]
        studies.append({**row, "study": study["id"], "series": study["id"], **said})
        labels = _labels(reading, len(study["slices"]))
        slices += [
            {**one, "study": study["id"], "series": study["id"], "patient": name, **labels.get(one["slice"], {})}
            for one in study["slices"]
        ]
        if not labels or len(study["slices"]) < 2:
            counts.without_slices += 1
            continue
        label = out / "labels" / f"{study['id']}.json"
        write_text(label, json.dumps({"slices": [{"slice": number, **one} for number, one in labels.items()]}))
        images = [ImageSource(*image) for image in study["images"]]
        labelled.append(LabelledStudy(study["id"], images, str(label)))
        kinds[study["id"]] = reading["kinds"]
    if not studies:
        raise InputError("No reader has said anything of a study yet, or they differ; read some on the page.")
    _write(out / "studies.csv", (*_PREDICTIONS, "outcome"), studies)
    _write(out / "predictions.csv", (*_PREDICTIONS, "slice", "slices_apart"), slices)
    every = readings.latest()
    write_csv(out / "readings.csv", every[0], every)
    if labelled:
        write_training_data(labelled, out / "images")
        patients = {one["study"]: one["patient"] for one in studies}
        counts.slices = _write_datalist(out, patients, kinds)
    return counts


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    write_csv(path, columns, [{name: row.get(name, "") for name in columns} for row in rows])


def _agreed(store: Store, readings: Readings, counts: Exported) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each study that has been read, with the fullest reading; those that readers dispute are counted."""
    by_study: dict[str, list[dict[str, Any]]] = {}
    for one in readings.latest():
        by_study.setdefault(one["study"], []).append(one)
    for name, said in by_study.items():
        study = store.study(name)
        places = {one["location"] for one in said} - {""}
        if len({one["haemorrhage"] for one in said}) > 1 or len(places) > 1:
            counts.disputed += 1
        elif study is not None and study["slices"]:
            yield study, max(said, key=lambda one: (bool(one["slices"]), bool(one["location"]), one["id"]))


def _labels(reading: dict[str, Any], count: int) -> dict[int, dict[str, Any]]:
    """Of each slice whether it shows a haemorrhage, and where; none where that is not known."""
    if reading["haemorrhage"] and not reading["slices"]:
        return {}
    shown = set(reading["slices"])
    return {
        number: {"ich": int(number in shown), "location": reading["location"] if number in shown else ""}
        for number in range(count)
    }


def _patient(study: dict[str, Any]) -> str:
    """A pseudonym: of the PatientID, where the images have one."""
    said = identity(ImageSource(*study["images"][0])).get("patient_id") or study["id"]
    return f"p{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def _write_datalist(out: Path, patients: dict[str, str], kinds: dict[str, list[str]]) -> int:
    """Bring the list of images to the top, with pseudonyms, and kinds where a study has one that is known."""
    path = out / "images" / "slices.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path.unlink()
    named = KINDS if any(kinds.values()) else ()
    for row in rows:
        row["image"] = f"images/{row['image']}"
        row["patient"] = patients[row["study"]]
        said = kinds[row["study"]]
        if row["ich"] == "1" and len(said) == 1:  # of several kinds it is not known which slice shows which
            row |= {kind: str(int(kind in said)) for kind in named}
    write_csv(out / "slices.csv", ("image", "patient", "ich", "location", "study", "slice", *named), rows)
    return len(rows)
