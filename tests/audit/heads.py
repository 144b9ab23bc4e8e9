"""Drawn heads: a skull, and a brain that is different in every patient."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SIZE = 128
LOCATIONS = ("deep", "lobar", "subtentorial")

Row = dict[str, Any]


def head(
    patient: int, number: int = 0, ich: bool = False, width: float = 0.0, noise: float = 3.0
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A slice (128, 128) as 8-bit image of 0 to 80 HU; slices of one patient are alike."""
    anatomy = np.random.default_rng(patient)
    noise *= anatomy.uniform(0.75, 1.25)
    height_radius, width_radius = anatomy.uniform(46, 52), anatomy.uniform(36, 42) + width
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + anatomy.uniform(-3, 3, (2, 1, 1))
    radius = np.hypot(y / height_radius, x / width_radius)
    brain = 30 + 60 * gaussian_filter(anatomy.normal(size=(SIZE, SIZE)), 2.5)
    slices = np.random.default_rng([patient, number])
    brain += slices.normal(scale=noise, size=(SIZE, SIZE)) + 15 * gaussian_filter(slices.normal(size=(SIZE, SIZE)), 2.5)
    if ich:
        brain[np.hypot(y - slices.uniform(-15, 15), x - slices.uniform(-12, 12)) < 5] += 30
    hu = np.where(radius < 0.88, brain.clip(3, 75), np.where(radius < 1, 80, 0))
    return (hu * 255 / 80).round().clip(0, 255).astype(np.uint8)


def cohort(folder: Path, patients: int = 30, slices: int = 2, **of_positives: float) -> list[Row]:
    """Write heads of which every second bleeds, and return their rows; what the bleeding ones have else is given."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for patient in range(patients):
        ich = patient % 2
        for number in range(slices):
            image = f"p{patient:03}_{number}.png"
            pixels = head(patient, number, bool(ich), **(of_positives if ich else {}))
            Image.fromarray(pixels).save(folder / image)
            location = LOCATIONS[patient // 2 % 3] if ich else ""
            rows.append({"image": image, "patient": f"p{patient:03}", "ich": ich, "location": location})
    return rows


def write_csv(folder: Path, rows: Sequence[Row]) -> Path:
    path = folder / "slices.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("image", "patient", "ich", "location"))
        writer.writeheader()
        writer.writerows(rows)
    return path
