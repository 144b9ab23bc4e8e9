"""Clinical values of phantom patients, drawn by a stated model; no claim about patients.

In the population of the model
    age ~ N(65, 15) years, cut to 18..95; sex f or m, each by half;
    systolic blood pressure ~ N(140, 22) mmHg; LDL cholesterol ~ N(3.1, 0.9) mmol/L, at least 0.5;
    anticoagulation none (70 %), doac (20 %) or vka (10 %);
    logit of a haemorrhage = -0.6 + 0.03 (age - 65) + 0.035 (pressure - 140) + 0.8 doac + 1.6 vka;
    GCS 15 without a haemorrhage, with one 15 - Poisson(3), at least 3.
Sex and cholesterol say nothing of a haemorrhage. One cell in ten is missing at random.
"""

import csv
import math
from pathlib import Path

import numpy as np

COLUMNS = ("age", "sex", "systolic", "ldl", "gcs", "anticoagulation")
MISSING = 0.1
"""Share of the cells that are empty."""


def draw_clinical(rng: np.random.Generator, bleeding: bool) -> dict[str, str]:
    """Draw the values of a patient whose diagnosis is known.

    Patients of the population are drawn until one has the diagnosis: that is the model given it.

    Args:
        rng: to draw from.
        bleeding: whether there is a haemorrhage of any kind.

    Returns:
        Column -> text, empty where it is missing.

    Example:
        >>> sorted(draw_clinical(np.random.default_rng(0), True)) == sorted(COLUMNS)
        True
    """
    while True:
        age = float(np.clip(rng.normal(65, 15), 18, 95))
        pressure = rng.normal(140, 22)
        drug = str(rng.choice(["none", "doac", "vka"], p=[0.7, 0.2, 0.1]))
        logit = -0.6 + 0.03 * (age - 65) + 0.035 * (pressure - 140) + {"none": 0, "doac": 0.8, "vka": 1.6}[drug]
        if (rng.random() < 1 / (1 + math.exp(-logit))) == bleeding:
            break
    values = {
        "age": f"{age:.0f}",
        "sex": str(rng.choice(["f", "m"])),
        "systolic": f"{pressure:.0f}",
        "ldl": f"{max(rng.normal(3.1, 0.9), 0.5):.1f}",
        "gcs": f"{max(15 - rng.poisson(3), 3) if bleeding else 15}",
        "anticoagulation": drug,
    }
    return {name: "" if rng.random() < MISSING else value for name, value in values.items()}


def write_clinical(truth: Path, seed: int = 0) -> Path:
    """Write `clinical.csv` beside `truth.csv`: a row a patient, with the study where the layout has one.

    Args:
        truth: what a writer of a layout returned.
        seed: the same seed and patients give the same values.

    Returns:
        The path of `clinical.csv`.
    """
    with truth.open(newline="", encoding="utf-8") as file:
        patients = {row["patient"]: row for row in csv.DictReader(file)}
    path = truth.with_name("clinical.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        volumes = all(row["file"].endswith(".nii.gz") for row in patients.values())
        named = volumes or any(row["study"] for row in patients.values())
        keys = ("study", "patient") if named else ("patient",)
        writer = csv.DictWriter(file, [*keys, *COLUMNS])
        writer.writeheader()
        for number, (patient, row) in enumerate(patients.items()):
            rng = np.random.default_rng([20261, seed, number])
            names = {"study": row["study"] or row["file"], "patient": patient}
            drawn = draw_clinical(rng, row["kind"] != "normal")
            writer.writerow({key: names[key] for key in keys} | drawn)
    return path
