"""MONAI datalists of labelled slices."""

import csv
import json
import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS, NOT_APPLICABLE
from ichmonai.datasets.item import SPLITS, DatasetError, Item
from ichmonai.datasets.rsna import LABELS_NAME, load_rsna
from ichmonai.errors import first_line
from ichmonai.io.formats import picture
from ichmonai.io.head_ct import DTVIT_WINDOW

logger = logging.getLogger(__name__)
CSV_NAME = "slices.csv"
_NEEDED = ("image", "patient", "ich")
_WINDOW = ("window_level", "window_width")


def load_datalist(dataset_dir: str | PathLike | Sequence[str | PathLike]) -> list[Item]:
    """List the labelled slices of a dataset, or of several as one.

    Args:
        dataset_dir: a folder in the DTViT layout (`no/`, `yes/Deep/`, `yes/Lobar/`, `yes/Subtentorial/`), a folder with
            a `slices.csv` (see below), such a csv file, or a
            MONAI datalist (.json: lists of items with image, patient and label under `training`, `validation` and
            `test`; a source with `training` alone counts as not yet split), or the folder of the RSNA 2019 challenge
            (see `load_rsna`). A folder that has none of these but a `dtvit` folder with one of them stands for that.
            Of several datasets the patients are told apart by the name of their source, and every item has `source`,
            `window` and `kinds` (see `Item`).

    A csv file has the columns image (path relative to it), patient and ich (0 or 1), and perhaps: location; a column
    for each of `KINDS` (0, 1 or empty); mask (path of an image as large, with 0 where no blood is, 1 to 5 in the order
    of `KINDS`, 255 where that is unknown); window_level and window_width, in HU, that an 8-bit image was written with;
    source, the name of where a row comes from; split (training, validation or test); study, and slice, its number from
    inferior to superior, which coarser levels of an evaluation need. What a row has not is unknown, but that a slice
    without haemorrhage has none of its kinds, and that one with a location is intraparenchymal.

    Returns:
        One item a slice, in the order of the source.

    Raises:
        DatasetError: when there is no dataset, or an entry is not valid, naming the file and the entry.
    """
    if isinstance(dataset_dir, str | PathLike):
        return _load(Path(dataset_dir))
    return _joined({Path(one).resolve().name: _load(Path(one)) for one in dataset_dir}, len(dataset_dir))


def _load(root: Path) -> list[Item]:
    if not root.exists():
        raise DatasetError(f"dataset_dir {root} does not exist; set it to a dataset folder, csv or datalist.")
    if root.is_file():
        return _from_json(root) if root.suffix == ".json" else _from_csv(root)
    for folder in (root, root / "dtvit"):
        if (folder / CSV_NAME).is_file():
            return _from_csv(folder / CSV_NAME)
        if (folder / "no").is_dir() or (folder / "yes").is_dir():
            return _from_folders(folder)
    if (root / LABELS_NAME).is_file():
        return load_rsna(root)
    raise DatasetError(
        f"{root} has neither {CSV_NAME} nor {LABELS_NAME} nor the folders no/ and yes/; "
        "see load_datalist for the layouts."
    )


def _label(ich: str, location: str, where: str) -> np.ndarray:
    if ich not in ("0", "1"):
        raise DatasetError(f"{where} has ich '{ich}'; it must be 0 ({ICH_CLASSES[0]}) or 1 ({ICH_CLASSES[1]}).")
    if location and location not in LOCATIONS:
        raise DatasetError(f"{where} has location '{location}'; it must be one of {', '.join(LOCATIONS)}, or empty.")
    if location and ich == "0":
        raise DatasetError(f"{where} is normal (ich 0) but has location '{location}'; correct one of the two.")
    return np.array([int(ich), LOCATIONS.index(location) if location else NOT_APPLICABLE], dtype=np.int64)


def _joined(sources: dict[str, list[Item]], count: int) -> list[Item]:
    """The items of several datasets with the same keys, each dataset's patients its own."""
    if len(sources) < count:
        raise DatasetError(f"Two of the datasets have the same name ({', '.join(sources)}): rename a folder.")
    items = []
    for source, rows in sources.items():
        for row in rows:
            if len(row["label"]) != 2:
                raise DatasetError(f"{source} has the labels of RSNA, which cannot be joined with others; train on it.")
            items.append(
                {
                    "window": DTVIT_WINDOW,
                    "kinds": kinds_of_label(row["label"]),
                    "mask": "",
                    **row,
                    "source": f"{source}/{row['source']}" if "source" in row else source,
                    "patient": f"{source}/{row['patient']}",
                }
            )
    shared = set.intersection(*(set(item) for item in items))
    return [{name: value for name, value in item.items() if name in shared} for item in items]


def _from_csv(path: Path) -> list[Item]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or []), list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not a readable csv file ({first_line(error)}); save it as UTF-8.") from error
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(_NEEDED)}.")
    # Every item has the same keys, or they could not be put into one batch.
    mixed = bool({"source", "mask", *KINDS, *_WINDOW} & set(columns))
    numbered = [name for name in ("study", "slice") if name in columns]
    items = []
    for number, row in enumerate(rows, 2):
        where = f"{path} row {number}"
        values = {name: (value or "").strip() for name, value in row.items() if name}
        if not values["image"] or not values["patient"]:
            raise DatasetError(f"{where} lacks the image or the patient; the patient is the unit of splitting.")
        label = _label(values["ich"], values.get("location", "").lower(), where)
        item = {"image": str(path.parent / values["image"]), "patient": values["patient"], "label": label}
        item |= {name: _place(row, name, where) for name in numbered}
        if mixed:
            item |= {"source": values.get("source", ""), "window": _window(values, where)}
            item |= {"kinds": _kinds(values, label, where)}
            item["mask"] = str(path.parent / values["mask"]) if values.get("mask") else ""
        if values.get("split"):
            item["split"] = _split(values["split"], where)
        items.append(item)
    return _not_empty(items, path)


def kinds_of_label(label: np.ndarray) -> np.ndarray:
    """What ICH and location say of the kinds."""
    kinds = np.full(len(KINDS), 0 if label[0] == 0 else np.nan, dtype=np.float32)
    if label[1] != NOT_APPLICABLE:
        kinds[KINDS.index("intraparenchymal")] = 1
    return kinds


def _kinds(values: dict[str, str], label: np.ndarray, where: str) -> np.ndarray:
    kinds = kinds_of_label(label)
    for index, kind in enumerate(KINDS):
        cell = values.get(kind, "")
        if cell not in ("", "0", "1"):
            raise DatasetError(f"{where} has {kind} '{cell}'; it must be 0 or 1, or empty where it is unknown.")
        if cell == "1" and label[0] == 0:
            raise DatasetError(f"{where} is normal (ich 0) but has {kind} 1; correct one of the two.")
        if cell:
            kinds[index] = int(cell)
    return kinds


def _window(values: dict[str, str], where: str) -> tuple[float, float]:
    cells = [values.get(name, "") for name in _WINDOW]
    if cells == ["", ""]:
        return DTVIT_WINDOW
    try:
        level, width = map(float, cells)
        if np.isfinite(level) and 0 < width < np.inf:
            return level, width
    except ValueError:
        pass
    raise DatasetError(f"{where} has the window {' '.join(cells)}; give level and width in HU, or neither.")


def _split(value: str, where: str) -> str:
    if value not in SPLITS:
        raise DatasetError(f"{where} has split '{value}'; it must be one of {', '.join(SPLITS)}, or empty.")
    return value


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
            if file.name.lower().endswith((*picture.FORMAT.suffixes, ".dcm")):
                items.append({"image": str(file), "patient": patient_of_file(file.name), "label": label.copy()})
    return _not_empty(_one_patient_a_number(items), root)


def _one_patient_a_number(items: list[Item]) -> list[Item]:
    """Give the names that share a hospital number the first of them, so that no split divides one patient."""
    names: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if number := re.search(r"-(\d{5,})$", item["patient"]):
            names[number[1]].add(item["patient"])
    shared = [sorted(of_one) for of_one in names.values() if len(of_one) > 1]
    first = {name: of_one[0] for of_one in shared for name in of_one}
    if shared:
        logger.warning("%d hospital numbers stand under several names; each is taken for one patient.", len(shared))
    return [{**item, "patient": first.get(item["patient"], item["patient"])} for item in items]


def patient_of_file(name: str) -> str:
    """The patient that a file name of the DTViT layout stands for.

    Names are `NNNN-<patient>.jpg` with a running number; a digit before the patient's part counts that patient's
    studies (two for most ICH patients), so it is dropped: both studies belong on one side of a split. Where the
    patient's part ends in a hospital number, `load_datalist` takes names that share one for the same patient.

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
        values = {key: "" if entry[key] is None else str(entry[key]).strip() for key in ("image", "patient")}
        if not values["image"] or not values["patient"]:
            raise DatasetError(f"{where} lacks the image or the patient; the patient is the unit of splitting.")
        items.append(
            {
                "image": str(path.parent / values["image"]),
                "patient": values["patient"],
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
