"""What every public set is: inputs for a prediction, and the truth of what was predicted."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import RSNA_LABELS
from ichmonai.evaluation.mask_files import MaskPair
from ichmonai.evaluation.tables import Table

Labels = NDArray[np.int64]
"""(6,) or (N, 6), in the order of `RSNA_LABELS`: 0 or 1, or -1 where it is not known."""


@dataclass(frozen=True)
class Truth:
    """The truth of the rows of a table of predictions.

    Attributes:
        cases: (N,) names of the patients, "" where a row is of nothing that the set has a truth of.
        labels: (N, 6).
    """

    cases: NDArray[np.str_]
    labels: Labels

    @classmethod
    def of_rows(cls, found: Iterable[tuple[str, Labels] | None]) -> "Truth":
        """From the patient and labels of each row, None where there is no truth."""
        rows = [("", _UNKNOWN) if one is None else one for one in found]
        names = np.array([name for name, _ in rows], dtype=np.str_)
        return cls(names, np.array([labels for _, labels in rows], np.int64).reshape(len(rows), len(RSNA_LABELS)))


@dataclass(frozen=True)
class PublicSet(ABC):
    """A public set, as it was found in its folder.

    Attributes:
        name: of the set.
        inputs: what is to be predicted.
        studies: study -> its labels (6,), of all that are to have a prediction; empty where the set does not say which
            images are a study.
        notes: sentences on what is missing or odd.
    """

    name: str
    inputs: tuple[Path, ...]
    studies: Mapping[str, Labels] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @abstractmethod
    def of_slices(self, slices: Table) -> Truth | None:
        """The truth of each row of a `slices.csv`; None where only studies have one.

        Raises:
            InputError: the slices are not those of the set.
        """

    @abstractmethod
    def of_studies(self, studies: Table, slices: Table | None) -> Truth:
        """The truth of each row of a `studies.csv`, with the `slices.csv` beside it."""

    def missing(self, studies: Table) -> list[str]:
        """The studies without a row that has a probability."""
        return []

    @property
    def mask_kinds(self) -> tuple[str, ...] | None:
        """The kinds that the set's masks tell apart, none where they show any blood; None of a set without masks."""
        return None

    def masks(self, studies: Table) -> Iterator[MaskPair]:
        """The predicted and the true mask of each row of a `studies.csv` that has both."""
        return iter(())


def any_of(labels: Labels) -> Labels:
    """Labels (6,) of a whole from those of its parts (N, 6): 1 where one is, 0 where all are 0, else -1."""
    return np.where((labels == 1).any(axis=0), 1, labels.min(axis=0, initial=1) if len(labels) else -1)


def named(names: Iterable[str], most: int = 5) -> str:
    """The first of some names, for a sentence."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


_UNKNOWN = np.full(len(RSNA_LABELS), -1)
