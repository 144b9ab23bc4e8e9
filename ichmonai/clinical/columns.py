"""A column of clinical data, and what its cells are to a network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MISSING = frozenset({"", "na", "n/a", "nan"})
_LARGEST = 4.0
"""Standard deviations from the mean at which a number is cut: what is further off is a slip of a key more often."""


@dataclass(frozen=True)
class Column:
    """A number or a category, as the training saw it.

    Attributes:
        name: of the column in the csv.
        mean: of a number; 0 of a category.
        std: the same, not 0.
        values: categories in lower case; none for a number.

    Example:
        >>> Column("age", mean=60, std=10).encode("70"), Column("sex", values=("f", "m")).encode("M")
        ([1.0, 1.0], [0.0, 1.0])
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    values: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`number` or `category`."""
        return "category" if self.values else "number"

    @property
    def width(self) -> int:
        """Numbers that a cell becomes."""
        return len(self.values) or 2

    def encode(self, cell: str) -> list[float]:
        """What a cell is to a network.

        Args:
            cell: text.

        Returns:
            A number standardised, and 1; of a category 1 in its place and 0 in the others. Zeros where it is missing or
            the category is not known.

        Raises:
            ValueError: a number is none.
        """
        text = folded(cell)
        if self.values:
            return [float(text == value) for value in self.values]
        if text in MISSING:
            return [0.0, 0.0]
        number = number_of(text)
        if number is None:
            raise ValueError("not a number")
        return [max(-_LARGEST, min(_LARGEST, (number - self.mean) / self.std)), 1.0]

    def is_unknown(self, cell: str) -> bool:
        """Whether a cell holds a category that the training did not see."""
        text = folded(cell)
        return bool(self.values) and text not in MISSING and text not in self.values

    def record(self) -> dict[str, Any]:
        """JSON values, as `model.json` has them."""
        said = {"values": list(self.values)} if self.values else {"mean": self.mean, "std": self.std}
        return {"name": self.name, "kind": self.kind, **said}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Column":
        """The column that a record is of.

        Raises:
            ValueError: it is of none.
        """
        name, kind, values = str(record["name"]), record["kind"], tuple(map(str, record.get("values", ())))
        found = cls(name, float(record.get("mean", 0)), float(record.get("std", 1)), values)
        if kind != found.kind or not (math.isfinite(found.mean) and 0 < found.std < math.inf):
            raise ValueError(f"{name} is no clinical column")
        return found


def folded(cell: str) -> str:
    """A cell as it is compared: without blanks around it, in lower case."""
    return cell.strip().casefold()


def number_of(text: str) -> float | None:
    """The finite number that a text is; None where it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
