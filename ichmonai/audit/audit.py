"""What is wrong with a dataset, before anyone trains on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from ichmonai.audit.counts import Counts, Leakage, count, find_leakage
from ichmonai.audit.images import Facts, read_images
from ichmonai.audit.neighbours import (
    NearDuplicate,
    identical_groups,
    linked_patients,
    near_duplicates,
)
from ichmonai.audit.probes import (
    FEWEST_PATIENTS,
    LeakageProbe,
    ShortcutProbe,
    enough_patients,
    leakage_probe,
    shortcut_probe,
)
from ichmonai.classes import LOCATIONS, NOT_APPLICABLE
from ichmonai.datasets.datalist import load_datalist
from ichmonai.datasets.item import SPLITS, DatasetError, Item, class_names, has_rsna_labels
from ichmonai.datasets.splits import recorded_splits

MOST_IMAGES = 20_000
"""Images that are read, unless told otherwise; of larger datasets, patients are drawn at random."""


@dataclass(frozen=True)
class Audit:
    """What an audit found; `judgement` judges it.

    Attributes:
        source: the datalist as given.
        counts: of the whole datalist.
        splits: the same of each split; empty where there are none.
        leakage: between the splits; None where there are none.
        items: that were read, each with `row`, `sha256` and `in_splits`, the names of its splits.
        facts: of the items.
        unreadable: sentences on the images that cannot be read.
        left_out: images that were not read, because there are too many.
        identical: rows of images with the same pixels, where more than one patient, label or split has them.
        contradictions: those of them whose labels differ.
        near: near duplicates of different patients.
        shortcuts: label -> probe; None where there are too few patients.
        leakage_probes: label -> probe; None where there are too few patients.
        seed: of all that was drawn.
    """

    source: str
    counts: Counts
    splits: dict[str, Counts]
    leakage: Leakage | None
    items: list[Item]
    facts: list[Facts]
    unreadable: list[str]
    left_out: int
    identical: list[list[int]]
    contradictions: list[list[int]]
    near: list[NearDuplicate]
    shortcuts: dict[str, ShortcutProbe | None]
    leakage_probes: dict[str, LeakageProbe | None]
    seed: int

    @property
    def blank(self) -> int:
        """Images of one value throughout."""
        return sum(not facts.sha256 for facts in self.facts)

    def crosses_splits(self, rows: Sequence[int]) -> bool:
        """Whether images stand in more than one split."""
        return len({name for row in rows for name in self.items[row]["in_splits"]}) > 1


def audit(
    datalist: str | PathLike,
    split: str | PathLike | None = None,
    most_images: int = MOST_IMAGES,
    workers: int | None = None,
    seed: int = 0,
) -> Audit:
    """Look for what is wrong with a dataset.

    Args:
        datalist: what `load_datalist` takes.
        split: manifest that a training wrote (split.json); otherwise the splits that the datalist itself names.
        most_images: images to read; of larger datasets, so many patients are drawn as have no more.
        workers: processes that read; default: one a core.
        seed: of that draw, and of folds and resamples of the probes.

    Raises:
        DatasetError: there is no such dataset, the manifest is of another, or no image can be read.
    """
    items = [{**item, "row": row} for row, item in enumerate(load_datalist(datalist))]
    splits = _splits(items, split)
    drawn = _draw(items, most_images, seed)
    results = read_images(drawn, workers)
    facts = [result for result in results if isinstance(result, Facts)]
    unreadable = [result for result in results if isinstance(result, str)]
    if not facts:
        raise DatasetError(f"None of the {len(drawn)} images of {datalist} can be read; the first: {unreadable[0]}")
    in_splits: dict[int, list[str]] = {}
    for name, part in splits.items():
        for item in part:
            in_splits.setdefault(item["row"], []).append(name)
    for item, result in zip(drawn, results, strict=True):
        item["in_splits"] = in_splits.get(item["row"], [])
        if isinstance(result, Facts):
            item["sha256"] = result.sha256
    read = [item for item, result in zip(drawn, results, strict=True) if isinstance(result, Facts)]
    patients, sha256 = [item["patient"] for item in read], [item["sha256"] for item in read]
    same = identical_groups(sha256)
    group = linked_patients(patients, same)
    small, large = np.stack([one.small for one in facts]), np.stack([one.large for one in facts])
    return Audit(
        source=str(datalist),
        counts=count(items),
        splits={name: count(part) for name, part in splits.items()},
        leakage=find_leakage(splits) if splits else None,
        items=read,
        facts=facts,
        unreadable=unreadable,
        left_out=len(items) - len(drawn),
        identical=[rows for rows in same if _matters(read, rows)],
        contradictions=[rows for rows in same if len({tuple(read[row]["label"].tolist()) for row in rows}) > 1],
        near=near_duplicates(small, large, sha256, patients),
        shortcuts=_shortcuts(read, facts, group, seed),
        leakage_probes=_leakage_probes(read, small, group, seed),
        seed=seed,
    )


def label_name(item: Item) -> str:
    """The classes of an item in words."""
    return " and ".join(class_names(item))


def _splits(items: Sequence[Item], manifest: str | PathLike | None) -> Mapping[str, list[Item]]:
    if manifest is not None:
        return recorded_splits(items, manifest, same_slices=False)
    if any("split" in item for item in items):
        return {name: [item for item in items if item.get("split") == name] for name in SPLITS}
    return {}


def _draw(items: list[Item], most: int, seed: int) -> list[Item]:
    """The items of as many patients, in random order, as have no more than so many images; of one at least."""
    if len(items) <= most:
        return items
    names, patient = np.unique([item["patient"] for item in items], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = max(int(np.searchsorted(np.bincount(patient)[order].cumsum(), most, side="right")), 1)
    chosen = np.isin(patient, order[:enough])
    return [item for item, take in zip(items, chosen, strict=True) if take]


def _matters(items: Sequence[Item], rows: Sequence[int]) -> bool:
    found = [items[row] for row in rows]
    return (
        len({item["patient"] for item in found}) > 1
        or len({tuple(item["label"].tolist()) for item in found}) > 1
        or len({name for item in found for name in item["in_splits"]}) > 1
    )


def _shortcuts(
    items: Sequence[Item], facts: Sequence[Facts], group: NDArray[np.int64], seed: int
) -> dict[str, ShortcutProbe | None]:
    """Probes for haemorrhage, and for each location among the slices whose location is known."""
    labels = np.stack([item["label"] for item in items])
    questions = {"ich": (np.arange(len(items)), labels[:, 0] > 0)}
    if not has_rsna_labels(items[0]):
        located = np.flatnonzero(labels[:, 1] != NOT_APPLICABLE)
        if located.size:
            questions |= {name: (located, labels[located, 1] == i) for i, name in enumerate(LOCATIONS)}
    return {
        name: shortcut_probe(name, positive, [facts[row].features for row in rows.tolist()], group[rows], seed)
        if enough_patients(positive, group[rows])
        else None
        for name, (rows, positive) in questions.items()
    }


def _leakage_probes(
    items: Sequence[Item], small: NDArray[np.uint8], group: NDArray[np.int64], seed: int
) -> dict[str, LeakageProbe | None]:
    labels = np.stack([item["label"] for item in items])
    truths = {"ich": labels[:, 0]}
    if not has_rsna_labels(items[0]):
        truths["location"] = labels[:, 1]
    probes: dict[str, LeakageProbe | None] = {}
    for name, truth in truths.items():
        rows = np.flatnonzero(truth != NOT_APPLICABLE)
        patients = [len(np.unique(group[rows][truth[rows] == value])) for value in np.unique(truth[rows])]
        enough = len(patients) > 1 and sum(patients) >= FEWEST_PATIENTS
        probes[name] = leakage_probe(name, truth[rows], small[rows], group[rows], seed) if enough else None
    return probes
