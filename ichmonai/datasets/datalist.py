"""MONAI datalists of labelled slices."""

import csv
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ichmonai.digests import sha256_of_hu
from ichmonai.errors import InputError, first_line
from ichmonai.io import HeadCTReadError, load_head_ct
from ichmonai.io.suffixes import PICTURE_SUFFIXES
from ichmonai.labels import ICH_CLASSES, LOCATIONS, NOT_APPLICABLE, RSNA_LABELS

logger = logging.getLogger(__name__)

Item = dict[str, Any]
"""`image` path, `patient` pseudonym, perhaps `split`, and `label`: int64 (2,), ICH 0/1 and location index or -1, or
float32 (6,), the `RSNA_LABELS`."""

SPLITS = ("training", "validation", "test")
"""Parts of a dataset, by the section names of a MONAI datalist."""

CLASS_NAMES = ("normal", *LOCATIONS, "ich", *RSNA_LABELS[1:])
"""Classes that balancing and stratification see; `ich` is a haemorrhage whose location is not known, and those after it
are the subtypes of RSNA, of which a slice may show several."""

CSV_NAME = "slices.csv"
_CSV_COLUMNS = ("image", "patient", "ich", "location")


class DatasetError(InputError):
    """A dataset cannot be used."""


def load_datalist(dataset_dir: str | PathLike) -> list[Item]:
    """List the labelled slices of a dataset.

    Args:
        dataset_dir: a folder in the DTViT layout (`no/`, `yes/Deep/`, `yes/Lobar/`, `yes/Subtentorial/`), a folder with
            a `slices.csv` (columns image, patient, ich, location; image paths relative to it; perhaps study, and slice,
            its number from inferior to superior, which coarser levels of an evaluation need), such a csv file, or a
            MONAI datalist (.json: lists of items with image, patient and label under `training`, `validation` and
            `test`; a source with `training` alone counts as not yet split), or the folder of the RSNA 2019 challenge
            (see `load_rsna`). A folder that has none of these but a `dtvit` folder with one of them stands for that.

    Returns:
        One item a slice, in the order of the source.

    Raises:
        DatasetError: when there is no dataset, or an entry is not valid, naming the file and the entry.
    """
    root = Path(dataset_dir)
    if not root.exists():
        raise DatasetError(f"dataset_dir {root} does not exist; set it to a dataset folder, csv or datalist.")
    if root.is_file():
        return _from_json(root) if root.suffix == ".json" else _from_csv(root)
    for folder in (root, root / "dtvit"):
        if (folder / CSV_NAME).is_file():
            return _from_csv(folder / CSV_NAME)
        if (folder / "no").is_dir() or (folder / "yes").is_dir():
            return _from_folders(folder)
    from ichmonai.datasets.rsna import LABELS_NAME, load_rsna  # which is built on this module

    if (root / LABELS_NAME).is_file():
        return load_rsna(root)
    raise DatasetError(
        f"{root} has neither {CSV_NAME} nor {LABELS_NAME} nor the folders no/ and yes/; "
        "see load_datalist for the layouts."
    )


def has_rsna_labels(item: Item) -> bool:
    """Whether a slice has the six `RSNA_LABELS`, and not the two of DTViT's heads."""
    return len(item["label"]) == len(RSNA_LABELS)


def class_names(item: Item) -> tuple[str, ...]:
    """Those of `CLASS_NAMES` that a slice counts for: one, or each subtype that it shows."""
    if not has_rsna_labels(item):
        return (class_name(item),)
    return tuple(name for name, shown in zip(RSNA_LABELS, item["label"], strict=True) if shown)[1:] or ("normal",)


def class_name(item: Item) -> str:
    """One of `CLASS_NAMES`, for a slice with the labels of the two heads."""
    ich, location = (int(v) for v in item["label"])
    if not ich:
        return "normal"
    return LOCATIONS[location] if location != NOT_APPLICABLE else "ich"


def count_classes(items: Iterable[Item]) -> dict[str, int]:
    """The number of slices of each class; every class of the two heads, or of RSNA's labels, is included."""
    items = list(items)
    counts = Counter(name for item in items for name in class_names(item))
    names = RSNA_LABELS[1:] if items and has_rsna_labels(items[0]) else LOCATIONS
    return {name: counts.pop(name, 0) for name in ("normal", *names)} | dict(counts)


def require_all_classes(items: Sequence[Item], where: str) -> None:
    """Refuse to train where a class has no slice.

    RSNA's labels are learnt apart from each other, so a subtype that is missing is only warned of as long as there are
    normal slices and some haemorrhage.

    Raises:
        DatasetError: naming the empty classes and `where` they are missing.
    """
    empty = [name for name, count in count_classes(items).items() if not count]
    if items and has_rsna_labels(items[0]) and "normal" not in empty and len(empty) < len(RSNA_LABELS) - 1:
        if empty:
            logger.warning("The %s has no slice of %s: nothing is learnt of it.", where, ", ".join(empty))
    elif empty:
        raise DatasetError(
            f"The {where} has no slice of {', '.join(empty)}; add some, or change the split or its seed."
        )


def drop_unreadable(items: Sequence[Item], stop: bool = False, workers: int = 4) -> list[Item]:
    """Read every image once and leave out those that cannot be read, so that no training time is lost to them.

    What is read is also digested: items with the same `sha256` show the same pixels, whatever their names. That
    of an image of one value throughout is "": empty slices do not make two patients one.

    Args:
        items: datalist with `image` entries.
        stop: raise instead, after all images were tried.
        workers: threads that read.

    Returns:
        The items that can be read, with `sha256` added. What was left out is logged, one line each and a count.

    Raises:
        DatasetError: when `stop` is set and an image cannot be read, or when none can.
    """
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(digest_image, items))
    readable = [{**item, **result} for item, result in zip(items, results, strict=True) if isinstance(result, dict)]
    faults = [result for result in results if isinstance(result, HeadCTReadError)]
    for fault in faults:
        logger.warning("%s", fault)
    if faults:
        logger.warning("%d of %d images cannot be read and are left out.", len(faults), len(items))
    if faults and (stop or not readable):
        raise DatasetError(f"{len(faults)} of {len(items)} images cannot be read; the first: {faults[0]}")
    return readable


def digest_image(item: Item) -> dict[str, str] | HeadCTReadError:
    """The `sha256` of an item's image as `drop_unreadable` has it, or why it cannot be read."""
    try:
        return {"sha256": digest_hu(load_head_ct(item["image"]).numpy())}
    except HeadCTReadError as error:
        return error


def digest_hu(hu: np.ndarray) -> str:
    """The SHA-256 of an image's shape and HU; "" for an image of one value throughout."""
    if hu.min() == hu.max():
        return ""
    return sha256_of_hu(hu)


def _label(ich: str, location: str, where: str) -> np.ndarray:
    if ich not in ("0", "1"):
        raise DatasetError(f"{where} has ich '{ich}'; it must be 0 ({ICH_CLASSES[0]}) or 1 ({ICH_CLASSES[1]}).")
    if location and location not in LOCATIONS:
        raise DatasetError(f"{where} has location '{location}'; it must be one of {', '.join(LOCATIONS)}, or empty.")
    if location and ich == "0":
        raise DatasetError(f"{where} is normal (ich 0) but has location '{location}'; correct one of the two.")
    return np.array([int(ich), LOCATIONS.index(location) if location else NOT_APPLICABLE], dtype=np.int64)


def _from_csv(path: Path) -> list[Item]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or []), list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not a readable csv file ({first_line(error)}); save it as UTF-8.") from error
    missing = [name for name in _CSV_COLUMNS if name not in columns]
    if missing:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(_CSV_COLUMNS)}.")
    numbered = [name for name in ("study", "slice") if name in columns]
    items = []
    for number, row in enumerate(rows, 2):
        where = f"{path} row {number}"
        values = {name: (row[name] or "").strip() for name in _CSV_COLUMNS}
        if not values["image"] or not values["patient"]:
            raise DatasetError(f"{where} lacks the image or the patient; the patient is the unit of splitting.")
        label = _label(values["ich"], values["location"].lower(), where)
        item = {"image": str(path.parent / values["image"]), "patient": values["patient"], "label": label}
        items.append(item | {name: _place(row, name, where) for name in numbered})
    return _not_empty(items, path)


def _place(row: dict[str, str | None], name: str, where: str) -> str | int:
    value = (row[name] or "").strip()
    if not value or (name == "slice" and not value.isdecimal()):
        kind = "a whole number" if name == "slice" else "a name"
        raise DatasetError(f"{where} has {name} '{value}'; give {kind} in every row, or leave the column out.")
    return int(value) if name == "slice" else value


def _from_folders(root: Path) -> list[Item]:
    items = []
    for folder, ich, location in (("no", "0", ""), *((f"yes/{name.title()}", "1", name) for name in LOCATIONS)):
        label = _label(ich, location, folder)
        for file in sorted((root / folder).glob("*")):
            if file.name.lower().endswith((*PICTURE_SUFFIXES, ".dcm")):
                items.append({"image": str(file), "patient": patient_of_file(file.name), "label": label.copy()})
    return _not_empty(items, root)


def patient_of_file(name: str) -> str:
    """The patient that a file name of the DTViT layout stands for.

    Names are `NNNN-<patient>.jpg` with a running number; a digit before the patient's part counts that patient's
    studies (two for most ICH patients), so it is dropped: both studies belong on one side of a split.

    Example:
        >>> patient_of_file("0012-2018_filtered-2p0007.jpg")
        '2018_filtered-p0007'
    """
    stem = re.sub(r"^\d+-", "", Path(name).stem)
    return re.sub(r"(^|-)\d(?=[A-Za-z])", r"\1", stem)


def _from_json(path: Path) -> list[Item]:
    try:
        sections = json.loads(path.read_text(encoding="utf-8"))
        entries = [(name, number, entry) for name in SPLITS for number, entry in enumerate(sections.get(name, []))]
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(f"{path} is not a MONAI datalist ({first_line(error)}); see load_datalist.") from error
    items = []
    for name, number, entry in entries:
        where = f"{path} {name}[{number}]"
        if not isinstance(entry, dict) or not {"image", "label", "patient"} <= entry.keys():
            raise DatasetError(f"{where} lacks one of image, label, patient; each item needs the three.")
        items.append(
            {
                "image": str(path.parent / str(entry["image"])),
                "patient": str(entry["patient"]),
                "label": _label_of_json(entry["label"], where),
                "split": name,
            }
        )
    if {item["split"] for item in items} == {"training"}:  # the usual form of a datalist that is not yet split
        for item in items:
            del item["split"]
    return _not_empty(items, path)


def _label_of_json(label: object, where: str) -> np.ndarray:
    names = {NOT_APPLICABLE: "", **dict(enumerate(LOCATIONS))}
    match label:
        case [int(ich), int(location)] if location in names:
            return _label(str(int(ich)), names[location], where)
    raise DatasetError(f"{where} has label {label}; it must be [0, -1] or [1, location], location 0, 1, 2 or -1.")


def _not_empty(items: list[Item], source: Path) -> list[Item]:
    if not items:
        raise DatasetError(f"{source} lists no image; check the path.")
    return items
