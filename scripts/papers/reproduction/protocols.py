"""The two ways to divide a dataset: as DTViT was published, and by patient.

The published way lets a patient, and with replication an image, stand in training and test. That is refused everywhere
in the package; it exists here alone, to show what it does to a score.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ichmonai.datasets import count_classes, drop_unreadable, load_datalist, load_six_labels
from ichmonai.datasets.balancing import replicated_indices
from ichmonai.datasets.item import SPLITS, Item, class_names, has_rsna_labels
from ichmonai.datasets.splits import check_no_leakage, split_by_patient
from ichmonai.errors import InputError

PROTOCOLS = ("published", "patient")
FRACTIONS = (0.8, 0.1, 0.1)


def load(data: Path, out: Path, rsna: bool, max_patients: int | None, max_slices: int | None, seed: int) -> list[Item]:
    """The readable slices of a dataset, or a part of them.

    Args:
        data: as for `load_datalist`; as for `load_six_labels` where `rsna` is set.
        out: folder that takes the index of RSNA's challenge.
        rsna: whether the six labels are asked for, or those of DTViT's heads.
        max_patients: see `subset`.
        max_slices: see `subset`.
        seed: see `subset`.

    Raises:
        InputError: there is no such dataset, or it has the other kind of labels.
    """
    items = load_six_labels(data, out) if rsna else load_datalist(data)
    if not rsna and has_rsna_labels(items[0]):
        raise InputError(f"{data} has the labels of RSNA 2019; this table needs the locations of the DTViT data set.")
    items = subset(items, max_patients, max_slices, seed)
    return items if rsna else drop_unreadable(items)


def subset(items: Sequence[Item], max_patients: int | None, max_slices: int | None, seed: int) -> list[Item]:
    """Fewer patients, their classes in turn so that rare ones stay, and of each fewer slices, evenly spaced.

    Args:
        items: a dataset.
        max_patients: how many patients are kept; None: all.
        max_slices: how many slices of a patient are kept; None: all.
        seed: of the choice of patients.
    """
    slices: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        slices[item["patient"]].append(item)
    frequency = Counter(name for item in items for name in class_names(item))
    patients_of: dict[str, list[str]] = defaultdict(list)
    for patient in np.random.default_rng(seed).permutation(sorted(slices)).tolist():
        rarest = min((name for item in slices[patient] for name in class_names(item)), key=frequency.__getitem__)
        patients_of[rarest].append(patient)
    in_turn = chain.from_iterable(zip_longest(*(patients_of[name] for name in sorted(patients_of))))
    kept = [patient for patient in in_turn if patient is not None][:max_patients]
    chosen: set[str] = set()
    for patient in kept:
        members = slices[patient]
        count = min(max_slices or len(members), len(members))
        places = np.linspace(0, len(members), count, endpoint=False) + 0.5 * len(members) / count
        chosen.update(members[int(place)]["image"] for place in places)
    return [item for item in items if item["image"] in chosen]


def split_by_image(items: Sequence[Item], seed: int) -> dict[str, list[Item]]:
    """Divide the images at random 80/10/10, whoever they are of, as the published DTViT code does."""
    order = np.random.default_rng(seed).permutation(len(items))
    bounds = np.round(np.cumsum(FRACTIONS[:2]) * len(items)).astype(int)
    return {name: [items[i] for i in part] for name, part in zip(SPLITS, np.split(order, bounds), strict=True)}


def replicate(items: Sequence[Item], folder: Path) -> list[Item]:
    """Every slice as often as the paper's factors say, each copy under a name of its own.

    Args:
        items: a dataset, before it is split.
        folder: takes symbolic links for the copies beyond the first.
    """
    copies: list[Item] = []
    seen: Counter[int] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    for index in replicated_indices(items).tolist():
        item = items[index]
        if seen[index]:
            source = Path(item["image"]).resolve()
            link = folder / f"{index:06d}-{seen[index]}{source.suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(source)
            item = {**item, "image": str(link)}
        seen[index] += 1
        copies.append(item)
    return copies


def write_split(path: Path, items: Sequence[Item], protocol: str, replicated: bool, seed: int) -> None:
    """Divide a dataset by a protocol, and record the parts as a MONAI datalist with the protocol's name.

    Args:
        path: JSON file.
        items: a dataset with `sha256`.
        protocol: one of `PROTOCOLS`.
        replicated: replicate before the split; for the published protocol only.
        seed: of the split.
    """
    if protocol == "published":
        splits = split_by_image(replicate(items, path.parent / "copies") if replicated else items, seed)
    else:
        splits = split_by_patient(items, FRACTIONS, seed)
    empty = [name for name, part in splits.items() if not part]
    if empty:
        raise InputError(f"The {empty[0]} split of {len(items)} slices is empty; take more patients or slices.")
    content = {"protocol": protocol} | {name: [_plain(item) for item in part] for name, part in splits.items()}
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)


def read_split(path: str | Path) -> dict[str, list[Item]]:
    """The parts that `write_split` recorded; that no patient is divided is checked unless the protocol divides them."""
    content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    splits = {name: [_with_label(item) for item in content[name]] for name in SPLITS}
    if content["protocol"] != "published":
        check_no_leakage(splits)
    return splits


def describe(splits: Mapping[str, Sequence[Item]]) -> str:
    """Sizes of the parts, and how much of the test part the training part has seen."""
    sizes = ", ".join(
        f"{name} {len(part)} slices of {len({item['patient'] for item in part})} patients "
        f"({', '.join(f'{count} {label}' for label, count in count_classes(part).items())})"
        for name, part in splits.items()
    )
    seen = {key: {item[key] for item in splits["training"]} for key in ("patient", "sha256")}
    test = splits["test"]
    shared = {key: np.mean([item[key] in values for item in test]) for key, values in seen.items()}
    return (
        f"{sizes}; of the test slices {shared['patient']:.0%} are of a patient in the training part, and "
        f"{shared['sha256']:.0%} are in it themselves"
    )


def _plain(item: Item) -> dict[str, Any]:
    return {**item, "image": str(Path(item["image"]).absolute()), "label": item["label"].tolist()}


def _with_label(item: dict[str, Any]) -> Item:
    label = item["label"]
    return {**item, "label": np.array(label, dtype=np.int64 if len(label) == 2 else np.float32)}
