"""What the variants are judged by: slices in HU with their truth, the same for all."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from ichmonai.classes import NOT_APPLICABLE
from ichmonai.datasets.item import Item
from ichmonai.io import load_head_ct
from ichmonai.transforms import (
    RandDrawBleeding,
    RandEraseBleeding,
    RandNoiseHU,
    RandTransplantBleeding,
    RandWindowHU,
    RemoveHeadHolder,
    bleeding_bank,
)
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM

OUTSIDE = -2000.0
"""HU of everything outside the head, as in train.json."""


@dataclass(frozen=True)
class Image:
    """A slice (1, H, W) or a volume (1, H, W, S) in HU, without head holder.

    Attributes:
        hu: float32.
        labels: int64 (S, 2), ICH (-1: not known) and location of every slice.
        patient: pseudonym.
        classified: (S,), which slices show brain.
    """

    hu: torch.Tensor
    labels: np.ndarray
    patient: str
    classified: np.ndarray


def slices(items: Sequence[Item]) -> Iterator[Image]:
    """The slices of a datalist as they are."""
    for item in items:
        yield _image(load_head_ct(item["image"]), np.asarray(item["label"])[None], item["patient"])


def counterfactuals(images: Sequence[Image], seed: int = 0) -> Iterator[Image]:
    """Each slice as it is and with its label turned: bleedings erased, and into normal slices transplanted or drawn.

    The bleedings are those of the other patients. A network that tells the cohorts apart, not the blood, is wrong in
    half of these.
    """
    yield from images
    found = bleeding_bank(
        ({"hu": image.hu, "label": image.labels[0], "patient": image.patient} for image in images),
        load=lambda item: {"image": item["hu"].numpy()},
    )
    rng = np.random.default_rng(seed)
    for image in images:
        erase = RandEraseBleeding(prob=1)
        put = RandTransplantBleeding(found, prob=1) if rng.random() < 0.5 else RandDrawBleeding(prob=1)
        change = erase if image.labels[0, 0] else put
        change.set_random_state(int(rng.integers(2**31)))
        hu, label = change(image.hu, image.labels[0])
        if label[0] != image.labels[0, 0]:
            yield Image(hu, np.asarray(label)[None], image.patient, image.classified)


def extra_axial(images: Sequence[Image], seed: int = 4) -> Iterator[Image]:
    """Normal slices, as they are and with a subdural, epidural or subarachnoid bleeding drawn."""
    rng = np.random.default_rng(seed)
    draw = RandDrawBleeding(("subdural", "epidural", "subarachnoid"), prob=1)
    for image in images:
        if image.labels[0, 0]:
            continue
        yield image
        draw.set_random_state(int(rng.integers(2**31)))
        hu, label = draw(image.hu, image.labels[0])
        if label[0]:
            yield Image(hu, np.asarray(label)[None], image.patient, image.classified)


def in_other_windows(images: Sequence[Image], seed: int = 1) -> Iterator[Image]:
    """Each image as if it had been exported in another window, and were taken for one of 0 to 80 HU."""
    window = RandWindowHU(level_shift=15, width_factors=(0.6, 2)).set_random_state(seed)
    for image in images:
        hu = torch.where(image.hu == OUTSIDE, image.hu, window(image.hu.clamp(0, 80)) * 80)
        yield Image(hu, image.labels, image.patient, image.classified)


def noisy(images: Sequence[Image], seed: int = 3) -> Iterator[Image]:
    """Each image as of a thinner slice, a lower dose or a sharper kernel: 3 to 15 HU of noise in its own pixels."""
    rng = np.random.default_rng(seed)
    for image in images:
        noise = RandNoiseHU(highest=0, grain=1, prob=1).set_random_state(int(rng.integers(2**31)))
        noise.randomize()
        noise.strength = float(rng.uniform(3, 15))
        hu = torch.where(image.hu == OUTSIDE, image.hu, noise(image.hu.clamp(0, 80), randomize=False))
        yield Image(hu, image.labels, image.patient, image.classified)


def turned(images: Sequence[Image], seed: int = 2) -> Iterator[Image]:
    """Each image with the head turned, and beside the middle of the square, as where a tube counts as head."""
    rng = np.random.default_rng(seed)
    for image in images:
        angle = float(rng.uniform(-25, 25))
        inside = tvf.rotate((image.hu != OUTSIDE).float(), angle) > 0
        hu = torch.where(inside, tvf.rotate(image.hu.clamp(0, 80), angle, InterpolationMode.BILINEAR), OUTSIDE)
        if inside.any():
            rows, columns = inside[0].any(1).nonzero().flatten(), inside[0].any(0).nonzero().flatten()
            for side, end in ((0, -1), (-1, 1)):  # two pixels that count as head, and show nothing
                row, column = (int(place[side] + end * rng.uniform(0, 0.2) * len(place)) for place in (rows, columns))
                hu[0, min(max(row, 0), hu.shape[1] - 1), min(max(column, 0), hu.shape[2] - 1)] = 0
        yield Image(hu, image.labels, image.patient, image.classified)


def external_slices(folder: Path) -> Iterator[Image]:
    """Single slices with `labels.csv` (id, hemorrhage) and files `<id, three digits>.png`."""
    with (folder / "labels.csv").open(newline="") as table:
        for row in csv.DictReader(table, skipinitialspace=True):
            name = f"{int(row['id']):03d}"
            yield _image(load_head_ct(folder / f"{name}.png"), _labels([row["hemorrhage"]]), name)


def external_studies(folder: Path) -> Iterator[Image]:
    """Whole studies with `slices.csv` (image, patient, slice, ich_proxy)."""
    with (folder / "slices.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: (row["patient"], int(row["slice"])))
    for patient, group in groupby(rows, key=lambda row: row["patient"]):
        study = list(group)
        hu = torch.stack([load_head_ct(folder / row["image"]).as_tensor() for row in study], dim=-1)
        yield _image(hu, _labels([row["ich_proxy"] for row in study]), patient)


def _image(hu: torch.Tensor, labels: np.ndarray, patient: str) -> Image:
    plain = RemoveHeadHolder(fill=OUTSIDE)(torch.as_tensor(np.asarray(hu)))
    return Image(plain, labels, patient, ~(brain_content(plain[0]) < MINIMUM))


def _labels(values: Sequence[str]) -> np.ndarray:
    return np.array([[int(float(value)) if value else NOT_APPLICABLE, NOT_APPLICABLE] for value in values])
