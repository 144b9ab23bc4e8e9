"""An answer with the images that it is of: what the objects are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ichmonai.dicom_results.device import Device
from ichmonai.dicom_results.source import SourceSlice
from ichmonai.prediction.report.words import Draft, draft
from ichmonai.prediction.steps import Answer

MOST_KEYS = 8
"""Key slices are no more than these."""


@dataclass(frozen=True)
class Case:
    """One answer.

    Attributes:
        device: what answered.
        answer: its rows of the tables, and perhaps a mask.
        slices: a slice for each of the rows.
        replaces: earlier reports on the series, SOPInstanceUID and SeriesInstanceUID, which that of this one replaces.
    """

    device: Device
    answer: Answer
    slices: Sequence[SourceSlice]
    replaces: Sequence[tuple[str, str]] = ()

    def uid(self, *what: str) -> str:
        """The UID of something that is made of this answer, always the same.

        It is another where the answer replaces others: an archive that was told not to show those may not show again
        what comes back under their UIDs, though the images are what they were before.
        """
        content = (self.answer.content, self.study.get("sha256", ""))
        before = (sop for sop, _ in self.replaces)
        return self.device.uid(self.study["study"], self.study["series"], *content, *what, *before)

    def series_uid(self, what: str) -> str:
        """The UID of a series of objects that later answers to the same images, or to more of them, go into, too."""
        return self.device.uid(self.study["study"], self.study["series"], what)

    @property
    def study(self) -> Mapping[str, Any]:
        """Its row of the table of studies."""
        return self.answer.study

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Its rows of the table of slices."""
        return self.answer.slices

    @property
    def leading(self) -> int:
        """Index of the slice that shows it most."""
        return int(self.study["leading_slice"])

    @property
    def spacing(self) -> tuple[float, float]:
        """Distances of rows and of columns in mm; 1 where the images do not say them."""
        said = self.slices[0].place.get("PixelSpacing") or (1, 1)
        return float(said[0]), float(said[1])

    @cached_property
    def draft(self) -> Draft:
        """The report in words."""
        return draft(self.study, self.device.threshold, self.device.negative_up_to, self.device.templates)

    @cached_property
    def keys(self) -> list[int]:
        """Indices of the slices to look at, in their order: those above the threshold that show it most.

        The leading slice is among them, and alone where none is above.
        """
        known = [(p, i) for i, row in enumerate(self.rows) if (p := number(row.get("p_ich"))) is not None]
        above = sorted((one for one in known if one[0] > self.device.threshold), reverse=True)
        return sorted(list(dict.fromkeys([self.leading, *(i for _, i in above)]))[:MOST_KEYS])

    @cached_property
    def mask(self) -> NDArray[np.uint8] | None:
        """The mask as the images lie, uint8 (S, Rows, Columns): 0, or 1 + the index of a kind."""
        answer = self.answer
        if answer.mask is None or answer.geometry is None:
            return None
        found = answer.geometry.in_original_axes(answer.mask).transpose(2, 1, 0)
        of_images = (len(self.slices), self.slices[0].header.Rows, self.slices[0].header.Columns)
        return np.ascontiguousarray(found) if found.shape == of_images else None


def number(value: Any) -> float | None:
    """A number of a table; None where it has none."""
    return None if value in (None, "", "nan") else float(value)
