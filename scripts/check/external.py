"""Judge the bundle's weights on head CT from elsewhere, through `ichmonai predict` and nothing else.

--slices is a folder of single slice images with `labels.csv` (id, hemorrhage), --studies one of whole studies as 8-bit
slices of 0 to 80 HU with `slices.csv` (image, patient, slice, ich_proxy), which are written as NIfTI volumes first.
Slices that inference leaves out as `outside_brain`, and inputs that it refuses, count as probability 0.

    python -m scripts.check.external --slices head_ct_200 --studies phe --out OUT

It leaves in --out the tables of both predictions, `external.csv` and `external.md` (AUC, log loss, and sensitivity
and specificity at 0.5, with 95% intervals that resample patients; what the studies are called; how many of them are
called negative without the slices of their bleeding; what slices with little brain are called), and contact sheets:
`wrong_slices.png`, and `ends.png` with the lowest and highest classified slices of each study and the lowest that is
called bleeding, to see whether any shows no brain. Research software; not for clinical use.
"""

import argparse
import csv
import subprocess
import sys
from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image, ImageDraw

from ichmonai.classes import LOCATIONS
from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.evaluation.metrics import THRESHOLD, head_metrics
from ichmonai.notice import NOTICE
from ichmonai.prediction import study_probabilities
from ichmonai.tables import write_csv

METRICS = ("ich_auc", "ich_average_precision", "ich_sensitivity", "ich_specificity", "ich_log_loss")
TILE = 160
LITTLE_BRAIN = (0, 0.06, 0.12, 0.3)
"""Limits of the share of the head that is inside the skull; below the second is also the spinal canal."""
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--studies", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the inference config")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    judged: dict[str, list[Row]] = {}
    if options.slices:
        judged[options.slices.name] = slices(options)
    if options.studies:
        judged[options.studies.name] = studies(options)
        ends(judged[options.studies.name], options.out / "ends.png")
    table = [row for name, rows in judged.items() for row in measure(name, rows)]
    if options.studies:
        table += without_bleeding(options.studies.name, judged[options.studies.name])
        table += at_the_ends(options.studies.name, judged[options.studies.name])
        table += of_studies(options.studies.name, options.out / f"{options.studies.name}_predicted" / "studies.csv")
    write_csv(options.out / "external.csv", table[0], table)
    wrong([row for rows in judged.values() for row in rows], options.out / "wrong_slices.png")
    (options.out / "external.md").write_text(page(table), encoding="utf-8")
    print((options.out / "external.md").read_text(encoding="utf-8"))


def slices(options: argparse.Namespace) -> list[Row]:
    """A row for each single slice."""
    inputs = options.out / f"{options.slices.name}_input"
    with (options.slices / "labels.csv").open(newline="") as table:
        truth = {
            f"{int(row['id']):03d}": int(row["hemorrhage"]) for row in csv.DictReader(table, skipinitialspace=True)
        }
    for name in truth:  # a folder each: slices of one folder would be one series
        (inputs / name).mkdir(parents=True, exist_ok=True)
        link(options.slices / f"{name}.png", inputs / name / f"{name}.png")
    found = predict(options, inputs, "--accept", "too_few_slices", "--accept", "burned_in", "--accept", "not_head")
    score = {Path(row["study"]).stem: float(row["p_ich"] or 0) for row in found}
    return [
        {
            "patient": name,
            "slice": 0,
            "ich": ich,
            "p_ich": score.get(name, 0.0),
            "state": "classified" if name in score else "refused",
            "image": options.slices / f"{name}.png",
        }
        for name, ich in truth.items()
    ]


def studies(options: argparse.Namespace) -> list[Row]:
    """A row for each slice of the studies whose truth is known."""
    inputs = options.out / f"{options.studies.name}_input"
    inputs.mkdir(parents=True, exist_ok=True)
    with (options.studies / "slices.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: (row["patient"], int(row["slice"])))
    for patient, group in groupby(rows, key=lambda row: row["patient"]):
        if not (inputs / f"{patient}.nii.gz").is_file():
            write_volume([options.studies / row["image"] for row in group], inputs / f"{patient}.nii.gz")
    found = predict(options, inputs, "--accept", "not_hu")
    by_slice = {(Path(row["study"]).name.partition(".")[0], int(row["slice"])): row for row in found}
    judged = []
    for row in rows:
        one = by_slice.get((row["patient"], int(row["slice"])))
        judged.append(
            {
                "patient": row["patient"],
                "slice": int(row["slice"]),
                "ich": int(float(row["ich_proxy"])) if row["ich_proxy"] else -1,
                "p_ich": float((one and one["p_ich"]) or 0),
                "state": one["state"] if one else "refused",
                "brain_content": float((one and one["brain_content"]) or "nan"),
                "image": options.studies / row["image"],
            }
        )
    return judged


def write_volume(images: list[Path], path: Path) -> None:
    """Slices from inferior to superior as a volume of 0.45 by 0.45 by 5 mm, which the images do not say."""
    pixels = [np.asarray(Image.open(image).convert("L")) for image in images]
    hu = np.stack(pixels, axis=-1).astype(np.float32) * np.float32(80 / 255)
    nib.save(nib.Nifti1Image(hu.transpose(1, 0, 2), np.diag([-0.45, -0.45, 5.0, 1.0])), path)


def predict(options: argparse.Namespace, inputs: Path, *more: str) -> list[Row]:
    """The table of slices of a prediction."""
    out = options.out / inputs.name.replace("_input", "_predicted")
    command = [sys.executable, "-P", "-m", "ichmonai", "predict", str(inputs), "--out", str(out), *more]
    command += [part for one in options.set for part in ("--set", one)]
    print("python " + " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    with (out / "slices.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def link(target: Path, path: Path) -> None:
    if not path.exists():
        path.symlink_to(target.resolve())


def measure(name: str, rows: list[Row]) -> list[Row]:
    """A row for each metric, and counts."""
    known = [row for row in rows if row["ich"] >= 0]
    labels = np.array([[row["ich"], -1] for row in known])
    scores = np.array([[1 - row["p_ich"], row["p_ich"], 1 / 3, 1 / 3, 1 / 3] for row in known])
    patients = [row["patient"] for row in known]
    values = head_metrics(scores, labels)
    intervals = patient_bootstrap(scores, labels, patients, METRICS)
    measured = [
        {"set": name, "metric": metric, "value": values[metric], "low": low, "high": high}
        for metric, (low, high) in intervals.items()
    ]
    states = [row["state"] for row in rows]
    counts = {
        "slices": len(known),
        "patients": len(set(patients)),
        "slices_with_haemorrhage": int(labels[:, 0].sum()),
        **{f"slices_{state}": states.count(state) for state in ("classified", "outside_brain", "refused")},
    }
    return measured + [counted(name, key, value) for key, value in counts.items()]


def without_bleeding(name: str, rows: list[Row]) -> list[Row]:
    """How often what is left of a study is called negative, once the slices within one of the bleeding are left out.

    A stand-in for normal studies where all have a haemorrhage; what is below and what is above count as one study.
    """
    scores = {}
    for patient, group in groupby(rows, key=lambda row: row["patient"]):
        study = list(group)
        bleeding = [row["slice"] for row in study if row["ich"] == 1]
        if bleeding:
            low, high = min(bleeding) - 1, max(bleeding) + 1
            parts = ([row for row in study if row["slice"] < low], [row for row in study if row["slice"] > high])
            left = [study_score([row["p_ich"] for row in part]) for part in parts if part]
            scores |= {patient: max(left)} if left else {}
    p_ich = np.array(list(scores.values()))
    table = np.stack([1 - p_ich, p_ich, *[np.full(len(p_ich), 1 / 3)] * 3], axis=1)
    labels = np.tile([0, -1], (len(p_ich), 1))
    ((low, high),) = patient_bootstrap(table, labels, list(scores), ("ich_specificity",)).values()
    value = head_metrics(table, labels)["ich_specificity"]
    return [
        {"set": name, "metric": "their_ich_specificity", "value": value, "low": low, "high": high},
        counted(name, "studies_without_bleeding", len(p_ich)),
    ]


def at_the_ends(name: str, rows: list[Row]) -> list[Row]:
    """How many of the slices with little brain, as at the foramen magnum and the vertex, are called bleeding.

    What little is: the share of the head that is inside the skull.
    """
    table = []
    for low, high in pairwise(LITTLE_BRAIN):
        few = [row for row in rows if row["state"] == "classified" and low <= row["brain_content"] < high]
        called = sum(row["p_ich"] > THRESHOLD for row in few)
        where = f"slices_with_{low:.0%}_to_{high:.0%}_brain"
        table += [counted(name, where, len(few)), counted(name, f"{where}_called_bleeding", called)]
    return table


def of_studies(name: str, predicted: Path) -> list[Row]:
    """How many studies are called positive, and where their bleeding is said to be."""
    with predicted.open(newline="", encoding="utf-8") as file:
        positive = [row for row in csv.DictReader(file) if float(row["p_ich"] or 0) > THRESHOLD]
    table = [counted(name, "studies_called_positive", len(positive))]
    called = Counter(row["location"] for row in positive)
    return [*table, *(counted(name, f"studies_called_{location}", called[location]) for location in LOCATIONS)]


def counted(name: str, metric: str, value: int) -> Row:
    return {"set": name, "metric": metric, "value": value, "low": "", "high": ""}


def study_score(p_ich: list[float]) -> float:
    """ICH probability of a study, by the rule of inference."""
    slices = torch.tensor(p_ich)
    return float(study_probabilities(torch.stack([1 - slices, slices, *[slices * 0 + 1 / 3] * 3]))[1])


def wrong(rows: list[Row], path: Path) -> None:
    """The worst false negatives and false positives."""
    positives = sorted((row for row in rows if row["ich"] == 1), key=lambda row: row["p_ich"])
    negatives = sorted((row for row in rows if row["ich"] == 0), key=lambda row: -row["p_ich"])
    sheet(
        [row for row in positives if row["p_ich"] <= THRESHOLD][:40]
        + [row for row in negatives if row["p_ich"] > THRESHOLD][:40],
        path,
    )


def ends(rows: list[Row], path: Path) -> None:
    """Of each study the lowest two and the highest classified slice, and the lowest that is called bleeding."""
    shown = []
    for _, group in groupby(rows, key=lambda row: row["patient"]):
        study = [row for row in group if row["state"] == "classified"]
        bleeding = [row for row in study if row["p_ich"] > THRESHOLD]
        shown += [*study[:2], *study[-1:], *bleeding[:1]]
    sheet(shown, path, columns=16)


def sheet(rows: list[Row], path: Path, columns: int = 10) -> None:
    tiles = []
    for row in rows:
        tile = Image.open(row["image"]).convert("L").resize((TILE, TILE))
        text = f"{row['patient']}/{row['slice']} {'?-+'[row['ich'] + 1]} {row['p_ich']:.2f}"
        ImageDraw.Draw(tile).text((2, 2), text, fill=255)
        tiles.append(np.asarray(tile))
    if tiles:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
        lines = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
        Image.fromarray(np.vstack(lines)).save(path)


def page(table: list[Row]) -> str:
    lines = [NOTICE, "", "| set | | value | 95% interval |", "| --- | --- | --- | --- |"]
    for row in table:
        counted = isinstance(row["value"], int)
        value = f"{row['value']:,}" if counted else f"{row['value']:.3f}"
        interval = "" if counted else f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append(f"| {row['set']} | {row['metric'].replace('_', ' ')} | {value} | {interval} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
