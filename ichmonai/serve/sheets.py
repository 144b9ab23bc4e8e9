"""Contact sheets of a dataset's slices, and what readers decided on each."""

import functools
import io
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from ichmonai.datasets.item import DatasetError, Item, class_name, has_rsna_labels, load_image
from ichmonai.datasets.readable import digest_hu
from ichmonai.datasets.review import (
    KEEP,
    LABELS,
    OPEN,
    REJECT,
    Decision,
    add_decisions,
    decision_on,
    read_review,
)
from ichmonai.io import HeadCTReadError
from ichmonai.prediction.pictures import brain_window
from ichmonai.transforms.anatomy.intracranial import brain_content
from ichmonai.transforms.chain.keep_brain_slices import MINIMUM

SHEET = 48
"""Slices on a sheet."""
SMALL, LARGE = 176, 768
"""Pixels of a picture's side."""
SHOWN = ("all", "open", "kept", "rejected", "relabelled")
"""Which slices a reader can ask for."""
_READ_AT_ONCE = 4


@dataclass(frozen=True)
class Seen:
    """What a slice shows.

    Attributes:
        sha256: of its pixels, see `drop_unreadable`.
        brain: the share of the head that lies inside the skull; nan where it cannot be told.
        fault: why it cannot be read; "" where it can.
    """

    sha256: str = ""
    brain: float = float("nan")
    fault: str = ""


@dataclass(frozen=True)
class Cell:
    """A slice on a sheet.

    Attributes:
        number: in the dataset, from 0.
        patient: a number for its patient, from 1.
        label: the class that the dataset says.
        decision: of a reader; `OPEN` where there is none.
        by: who decided.
        seen: what it shows.
        by_rule: whether training leaves it out unless a reader keeps it.
    """

    number: int
    patient: int
    label: str
    decision: str
    by: str
    seen: Seen
    by_rule: bool

    @property
    def state(self) -> str:
        """Of `SHOWN`, but for `all`."""
        return _STATES.get(self.decision, "relabelled")


_STATES = {KEEP: "kept", REJECT: "rejected", OPEN: "open"}


class Sheets:
    """A dataset as sheets, and the file of its review, which is written at every decision.

    Args:
        items: datalist with the labels of ICH and location.
        folder: that the review names images from.
        review: csv file; what is in it is gone on with.

    Raises:
        DatasetError: the labels are others, or the review is not valid.
    """

    def __init__(self, items: Sequence[Item], folder: Path, review: Path) -> None:
        if any(has_rsna_labels(item) for item in items):
            raise DatasetError("A dataset with the labels of RSNA cannot be reviewed; give one with ICH and location.")
        self.items, self.review = list(items), review
        self.names = [_place(item["image"], folder) for item in self.items]
        patients = {name: i for i, name in enumerate(dict.fromkeys(item["patient"] for item in self.items), 1)}
        self.patients = [patients[item["patient"]] for item in self.items]
        self._decisions = read_review(review) if review.is_file() else {}
        self._by_name = {one.image: one for one in self._decisions.values()}
        self._writing = threading.Lock()
        self.look = functools.lru_cache(maxsize=100_000)(self._look)

    def numbers(self, shown: str = "all", label: str = "") -> list[int]:
        """The slices in a state and with a label of the dataset; every label where it is empty."""
        return [
            number
            for number, item in enumerate(self.items)
            if (not label or class_name(item) == label) and shown in ("all", self._state(number))
        ]

    def counts(self) -> dict[str, int]:
        """The number of slices in each state."""
        found = Counter(self._state(number) for number in range(len(self.items)))
        return {"all": len(self.items), **{name: found[name] for name in SHOWN[1:]}}

    def labels(self) -> list[str]:
        """The labels that the dataset has."""
        there = {class_name(item) for item in self.items}
        return [name for name in LABELS if name in there]

    def cells(self, numbers: Sequence[int]) -> list[Cell]:
        """What a sheet shows of slices."""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            return [
                self._cell(number, seen) for number, seen in zip(numbers, pool.map(self.look, numbers), strict=True)
            ]

    def picture(self, number: int, large: bool = False) -> bytes:
        """A slice as JPEG, 0 to 80 HU, in a square.

        Raises:
            HeadCTReadError: it cannot be read.
        """
        grey = Image.fromarray(brain_window(load_image(self.items[number]))[0])
        side = LARGE if large else SMALL
        buffer = io.BytesIO()
        ImageOps.pad(grey, (side, side)).save(buffer, "jpeg", quality=85)
        return buffer.getvalue()

    def decide(self, numbers: Sequence[int], decision: str, reader: str) -> list[Cell]:
        """Write a decision on slices into the review, then say what they are now; what cannot be read is left.

        Args:
            numbers: of the slices.
            decision: one of `ichmonai.datasets.review.DECISIONS`.
            reader: who decided.
        """
        cells = self.cells(numbers)
        made = [
            Decision(self.names[cell.number], cell.seen.sha256, cell.label, decision, reader)
            for cell in cells
            if not cell.seen.fault
        ]
        with self._writing:
            add_decisions(self.review, made)
            for one in made:
                self._by_name[one.image] = one
                self._decisions[one.sha256 or one.image] = one
        return [self._cell(cell.number, cell.seen) for cell in cells]

    def _state(self, number: int) -> str:
        """Of a slice, by its name where it was not looked at yet, for that would take minutes."""
        one = self._by_name.get(self.names[number])
        return _STATES.get(one.decision, "relabelled") if one else "open"

    def _cell(self, number: int, seen: Seen) -> Cell:
        one = None if seen.fault else decision_on(self.names[number], seen.sha256, self._decisions)
        label = class_name(self.items[number])
        by_rule = label != "normal" and seen.brain < MINIMUM
        said = (one.decision, one.reader) if one else (OPEN, "")
        return Cell(number, self.patients[number], label, *said, seen, by_rule)

    def _look(self, number: int) -> Seen:
        try:
            image = load_image(self.items[number])
        except HeadCTReadError as error:
            return Seen(fault=error.code.value)
        return Seen(digest_hu(image.numpy()), float(brain_content(image[0].numpy())[0]))


def _place(image: str, folder: Path) -> str:
    """An image's path from a folder, or whole where it lies elsewhere."""
    path = Path(image).absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
