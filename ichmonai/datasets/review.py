"""Which slices a dataset's readers keep, leave out or label otherwise: a csv file that training takes.

It is the physicians' filtering of the DTViT paper (Fig. 2), where `keep_brain` is the automatic stand-in: what a reader
decided holds, and the rule decides the rest.
"""

import csv
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

import numpy as np

from ichmonai.classes import LOCATIONS, NOT_APPLICABLE
from ichmonai.csv_cells import cell_text, csv_cell
from ichmonai.datasets.brain import keep_brain
from ichmonai.datasets.datalist import kinds_of_label
from ichmonai.datasets.item import DatasetError, Item, class_name
from ichmonai.errors import first_line
from ichmonai.private_files import FILE_MODE, make_folder

logger = logging.getLogger(__name__)

KEEP, REJECT, OPEN = "keep", "reject", "open"
LABELS = ("normal", "ich", *LOCATIONS)
"""What a slice can be said to show instead of its label: `ich` is a haemorrhage without a location."""
DECISIONS = (KEEP, REJECT, OPEN, *LABELS)
"""What a reader can decide; `OPEN` takes an earlier decision back."""
COLUMNS = ("image", "sha256", "label", "decision", "reader", "time")
"""Of the file. `image` is from the dataset's folder, `label` what the slice had then, `sha256` that of its pixels."""


@dataclass(frozen=True)
class Decision:
    """What a reader said of a slice.

    Attributes:
        image: its path from the dataset's folder.
        sha256: of its pixels, see `drop_unreadable`; "" of an image of one value.
        label: the class that it had.
        decision: one of `DECISIONS`.
        reader: who said so.
        time: when, in UTC.
    """

    image: str
    sha256: str
    label: str
    decision: str
    reader: str
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def read_review(path: str | os.PathLike[str]) -> dict[str, Decision]:
    """The last decision on each slice.

    Args:
        path: csv file with `COLUMNS`, the earliest decision first.

    Returns:
        By the digest of the pixels, or by the path of what has none: it belongs to what is seen, and not to a name.
        Decisions that were taken back are left out.

    Raises:
        DatasetError: there is no such file, or a row is not valid.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or []), list(reader)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is no readable review ({first_line(error)}); make one: ichmonai review.") from error
    if missing := [name for name in COLUMNS if name not in columns]:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")
    found: dict[str, Decision] = {}
    for number, row in enumerate(rows, 2):
        one = Decision(**{name: cell_text(row[name] or "") for name in COLUMNS})
        if one.decision not in DECISIONS or not one.image:
            raise DatasetError(
                f"{path} row {number} has decision '{one.decision}' on image '{one.image}'; a row needs an image and "
                f"one of {', '.join(DECISIONS)}."
            )
        found[_key(one)] = one
    return {key: one for key, one in found.items() if one.decision != OPEN}


def add_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Write decisions behind those that are there, all or none of them; the file is for its owner alone.

    Args:
        path: csv file; made if absent, as is its folder.
        decisions: in their order.
    """
    make_folder(path.parent)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), FILE_MODE)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            writer.writerow(COLUMNS)
        writer.writerows([[csv_cell(getattr(one, name)) for name in COLUMNS] for one in decisions])
        content = text.getvalue().encode("utf-8", "surrogateescape")
        try:
            if file.write(content) != len(content):
                raise OSError("the disk is full")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def filter_slices(items: Sequence[Item], review: str | os.PathLike[str] | None, minimum: float = 0) -> list[Item]:
    """Leave out what readers rejected, label what they relabelled, and let the rule decide on the rest.

    Args:
        items: datalist that `drop_unreadable` gave, with the labels of ICH and location.
        review: csv file of `ichmonai review`; None where nobody looked.
        minimum: see `keep_brain`, which is the rule; what a reader kept or relabelled stays whatever it says.

    Returns:
        The items that stay, in their order. How many were left out or relabelled is logged.

    Raises:
        DatasetError: the review is not valid, or no slice stays.
    """
    decisions = {} if review is None else read_review(review)
    if not decisions:
        return keep_brain(items, minimum)
    said = [decision_on(item["image"], item["sha256"], decisions) for item in items]
    undecided = [item for item, one in zip(items, said, strict=True) if one is None]
    by_rule = {id(item) for item in (keep_brain(undecided, minimum, required=False) if undecided else ())}
    kept = [
        item if one is None else relabelled(item, one.decision)
        for item, one in zip(items, said, strict=True)
        if (id(item) in by_rule if one is None else one.decision != REJECT)
    ]
    counts = {name: sum(one is not None and one.decision == name for one in said) for name in DECISIONS}
    logger.info(
        "Readers left out %d of %d slices, kept %d and relabelled %d; %d decisions are on slices that are not here.",
        counts[REJECT],
        len(items),
        counts[KEEP],
        sum(counts[name] for name in LABELS),
        len(decisions) - len({_key(one) for one in said if one is not None}),
    )
    if not kept:
        raise DatasetError(f"{review} leaves none of {len(items)} slices; keep some.")
    return kept


def decision_on(image: str, sha256: str, decisions: Mapping[str, Decision]) -> Decision | None:
    """What was decided on a slice.

    Args:
        image: its path.
        sha256: of its pixels.
        decisions: as `read_review` has them.
    """
    if sha256:
        return decisions.get(sha256)
    parts = PurePath(image).parts
    names = ("/".join(parts[start:]) for start in range(len(parts)))  # from whatever folder the dataset was seen
    return next((decisions[name] for name in names if name in decisions), None)


def relabelled(item: Item, decision: str) -> Item:
    """A slice with the label that a reader gave it, and what follows of kinds and mask."""
    if decision not in LABELS or class_name(item) == decision:
        return item
    location = LOCATIONS.index(decision) if decision in LOCATIONS else NOT_APPLICABLE
    label = np.array([int(decision != "normal"), location], dtype=np.int64)
    new = {**item, "label": label}
    if "kinds" in item:
        said = kinds_of_label(label)
        known = item["kinds"] if item["label"][0] and label[0] else np.full_like(said, np.nan)
        new["kinds"] = np.where(np.isnan(said), known, said)
    if "mask" in item and not label[0]:
        new["mask"] = ""
    return new


def _key(one: Decision) -> str:
    return one.sha256 or one.image
