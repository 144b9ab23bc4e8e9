"""What is in a dataset and in its splits."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ichmonai.datasets.item import Item, class_names, count_classes


@dataclass(frozen=True)
class ClassCount:
    """Images and patients of a class."""

    images: int
    patients: int


@dataclass(frozen=True)
class Counts:
    """What a dataset, or a split of it, holds.

    Attributes:
        images: listed.
        patients: of them.
        images_per_patient: fewest, median and most.
        classes: each class that there could be, also the empty ones.
    """

    images: int
    patients: int
    images_per_patient: tuple[int, float, int]
    classes: dict[str, ClassCount]

    @property
    def empty(self) -> list[str]:
        """Classes without an image."""
        return [name for name, count in self.classes.items() if not count.images]


@dataclass(frozen=True)
class Leakage:
    """What the splits of a dataset share.

    Attributes:
        shared: for `patient`, `image` (path) and `sha256` (pixels): values that stand in two splits.
        exposed: for each split but training: images whose patient or pixels are in training.
    """

    shared: dict[str, int]
    exposed: dict[str, int]


def count(items: Sequence[Item]) -> Counts:
    """Count a datalist."""
    patients: dict[str, set[str]] = defaultdict(set)
    for item in items:
        for name in class_names(item):
            patients[name].add(item["patient"])
    per_patient = list(Counter(item["patient"] for item in items).values()) or [0]
    return Counts(
        len(items),
        len({item["patient"] for item in items}),
        (min(per_patient), float(np.median(per_patient)), max(per_patient)),
        {name: ClassCount(images, len(patients[name])) for name, images in count_classes(items).items()},
    )


def find_leakage(splits: Mapping[str, Sequence[Item]]) -> Leakage:
    """Count what two splits share; `check_no_leakage` refuses the same."""
    shared, exposed = {}, {name: set[int]() for name in splits if name != "training"}
    for key in ("patient", "image", "sha256"):
        values = {name: {item[key] for item in items if item.get(key)} for name, items in splits.items()}
        in_splits = Counter(value for found in values.values() for value in found)
        shared[key] = sum(number > 1 for number in in_splits.values())
        for name, rows in exposed.items():
            rows |= {i for i, item in enumerate(splits[name]) if item.get(key) in values.get("training", set())}
    return Leakage(shared, {name: len(rows) for name, rows in exposed.items()})
