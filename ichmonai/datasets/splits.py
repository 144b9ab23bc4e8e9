"""Splits that never divide a patient, written down so that they can be checked."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from uuid import uuid4

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ichmonai.datasets.item import SPLITS, DatasetError, Item, class_names, count_classes
from ichmonai.errors import first_line


def split_by_patient(
    items: Sequence[Item], fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> dict[str, list[Item]]:
    """Divide the patients of each source, stratified by their rarest class, into training, validation and test.

    Patients who share an image (equal `sha256`, see `drop_unreadable`) stay together: some datasets list the same slice
    under two names.

    Args:
        items: datalist with `patient`, `label` and perhaps `sha256`, of which "" is shared with none. Where items name
            their own `split`, it is kept.
        fractions: share of the *patients* of each class for the three splits; they add up to 1, the first is not 0.
        seed: of the shuffle. The result depends on the set of patients and labels only, not on the order of the items.

    Returns:
        Items of `training`, `validation` and `test`, in the order of `items`.

    Raises:
        DatasetError: when the fractions do not fit or a patient of the source's own splits stands in two of them.
    """
    if any("split" in item for item in items):
        splits = {name: [item for item in items if item.get("split") == name] for name in SPLITS}
    else:
        if len(fractions) != 3 or min(fractions) < 0 or fractions[0] == 0 or abs(sum(fractions) - 1) > 1e-6:
            raise DatasetError(
                f"split_fractions {list(fractions)} must be three shares that add up to 1, the first more than 0."
            )
        sources: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            sources[item.get("source", "")].append(item)
        # Each by itself, so that every split has all sources, and a source's split is that which it has alone.
        part_of = {p: part for rows in sources.values() for p, part in _assign(rows, fractions, seed).items()}
        splits = {name: [item for item in items if part_of[item["patient"]] == name] for name in SPLITS}
    check_no_leakage(splits)
    return splits


def check_no_leakage(splits: Mapping[str, Sequence[Item]]) -> None:
    """Refuse splits that share a patient, a file or the pixels of an image.

    Raises:
        DatasetError: with the count and one example (an image or a pseudonym as the dataset gives it).
    """
    for key in ("patient", "image", "sha256"):
        seen: dict[str, str] = {}
        shared = []
        for name, items in splits.items():
            for item in items:
                if item.get(key) and seen.setdefault(item[key], name) != name:
                    shared.append((item[key], seen[item[key]], name))
        if shared:
            value, one, other = shared[0]
            count = len({value for value, _, _ in shared})
            raise DatasetError(
                f"{count} {key} values stand in two splits, {value} in {one} and {other}; split by patient."
            )


def make_splits(
    items: Sequence[Item], manifest: str | PathLike, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> dict[str, list[Item]]:
    """Split by patient and record the split, or repeat the split that was recorded.

    A resumed training thus sees the same patients, and a later evaluation (`read_splits`) the ones left out.

    Args:
        items: see `split_by_patient`.
        manifest: JSON file of the split: seed, fractions, a digest of the labelled slices, counts and patients.
        fractions: see `split_by_patient`.
        seed: see `split_by_patient`.

    Raises:
        DatasetError: when the manifest is of another seed, fractions or data, or leaks.
    """
    path = Path(manifest)
    if path.is_file():
        record = _manifest(path)
        for name, value in (("seed", seed), ("fractions", list(fractions))):
            if record.get(name) != value:
                raise DatasetError(
                    f"{path} was made with {name} {record.get(name)}, not {value}; use another output_dir."
                )
        return read_splits(items, path)
    splits = split_by_patient(items, fractions, seed)
    write_splits(items, splits, path, fractions, seed)
    return splits


def write_splits(
    items: Sequence[Item],
    splits: Mapping[str, Sequence[Item]],
    manifest: str | PathLike,
    fractions: Sequence[float],
    seed: int,
) -> None:
    """Record splits, for `make_splits` and `read_splits` to repeat.

    Args:
        items: all labelled slices.
        splits: `training`, `validation` and `test`.
        manifest: JSON file to write; its folder is made if absent.
        fractions: what `make_splits` will be called with.
        seed: what `make_splits` will be called with.
    """
    path = Path(manifest)
    record = {
        "dataset_sha256": _digest(items),
        "seed": seed,
        "fractions": list(fractions),
        "splits": {
            name: {"slices": count_classes(part), "patients": sorted({item["patient"] for item in part})}
            for name, part in splits.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid4().hex}")  # every process of a training writes it
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def read_splits(items: Sequence[Item], manifest: str | PathLike, same_slices: bool = True) -> dict[str, list[Item]]:
    """The splits of a dataset as a manifest records them.

    Args:
        items: datalist.
        manifest: file that a training wrote.
        same_slices: the items have to be those that were split. False: there may be more, since a training leaves
            out slices, by its config; slices of patients who are in no split are in none here.

    Raises:
        DatasetError: when there is no manifest, it is of other data, or a patient or an image stands in two splits.
    """
    splits = recorded_splits(items, manifest, same_slices)
    check_no_leakage(splits)
    return splits


def recorded_splits(items: Sequence[Item], manifest: str | PathLike, same_slices: bool = True) -> dict[str, list[Item]]:
    """As `read_splits`, for an audit: splits that share patients or images are returned as they are.

    Raises:
        DatasetError: when there is no manifest or it is of other data.
    """
    path = Path(manifest)
    if not path.is_file():
        raise DatasetError(
            f"{path} does not exist; it is written by training, so set output_dir to that of a training."
        )
    record = _manifest(path)
    in_split = {name: set(record["splits"][name]["patients"]) for name in SPLITS}
    if same_slices and record["dataset_sha256"] != _digest(items):
        raise DatasetError(f"{path} was made of other slices or labels than these; set dataset_dir to the training's.")
    if missing := sorted(set().union(*in_split.values()) - {item["patient"] for item in items}):
        raise DatasetError(f"{path} was made of other data: patient {missing[0]} is missing; give the training's data.")
    return {name: [item for item in items if item["patient"] in in_split[name]] for name in SPLITS}


def patient_groups(items: Sequence[Item]) -> dict[str, str]:
    """The group of each patient, named by its first member: patients who share an image (equal `sha256`).

    Args:
        items: datalist with `patient` and perhaps `sha256`, of which "" is shared with none.
    """
    patients = sorted({item["patient"] for item in items})
    index = {patient: i for i, patient in enumerate(patients)}
    first_with: dict[str, int] = {}
    links = [
        (index[item["patient"]], first_with.setdefault(item["sha256"], index[item["patient"]]))
        for item in items
        if item.get("sha256")
    ]
    rows, columns = zip(*links, strict=True) if links else ((), ())
    shape = (len(patients), len(patients))
    _, component = connected_components(coo_array((np.ones(len(links)), (rows, columns)), shape), directed=False)
    first: dict[int, str] = {}
    return {patient: first.setdefault(c, patient) for patient, c in zip(patients, component.tolist(), strict=True)}


def rarest_class(items: Sequence[Item], group_of: Mapping[str, str]) -> dict[str, str]:
    """The class of each group of patients that has the fewest slices in the dataset, to stratify by.

    Args:
        items: datalist with `patient` and `label`.
        group_of: see `patient_groups`.
    """
    frequency = Counter(name for item in items for name in class_names(item))
    rarest: dict[str, str] = {}
    for item in items:
        group = group_of[item["patient"]]
        for name in class_names(item):
            if group not in rarest or (frequency[name], name) < (frequency[rarest[group]], rarest[group]):
                rarest[group] = name
    return rarest


def _manifest(path: Path) -> dict:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if {"dataset_sha256", "seed", "fractions"} <= record.keys() and set(SPLITS) <= record["splits"].keys():
            return record
        reason = "entries are missing"
    except (ValueError, AttributeError, KeyError) as error:
        reason = first_line(error)
    raise DatasetError(f"{path} is not the record of a split ({reason}); use another output_dir.")


def _assign(items: Sequence[Item], fractions: Sequence[float], seed: int) -> dict[str, str]:
    group_of = patient_groups(items)
    rarest = rarest_class(items, group_of)
    strata = defaultdict(list)
    for group in sorted(rarest):
        strata[rarest[group]].append(group)
    rng = np.random.default_rng(seed)
    part_of = {}
    for name in sorted(strata):
        groups = rng.permutation(strata[name])
        # A split that was asked for gets at least one patient of each class as long as there are enough of them.
        counts = [max(round(f * len(groups)), int(f > 0 and len(groups) >= 3)) for f in fractions[1:]]
        training = max(len(groups) - sum(counts), 1)
        bounds = [training, training + counts[0]]
        for split, part in zip(SPLITS, np.split(groups, bounds), strict=True):
            part_of.update(dict.fromkeys(part.tolist(), split))
    return {patient: part_of[group] for patient, group in group_of.items()}


def _digest(items: Sequence[Item]) -> str:
    lines = sorted(f"{item['patient']} {Path(item['image']).name} {item['label'].tolist()}" for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
