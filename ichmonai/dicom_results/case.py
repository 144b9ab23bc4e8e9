"""An answer with the images that it is of: what the objects are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import KINDS
from ichmonai.dicom_results.device import Device
from ichmonai.dicom_results.source import SourceSlice
from ichmonai.io.slice_geometry import normal

MOST_KEYS = 8
"""Key slices are no more than these."""


@dataclass(frozen=True)
class Case:
    """One answer.

    Attributes:
        device: what answered.
        study: its row of the table of studies.
        rows: its rows of the table of slices.
        slices: a slice for each of them.
        content: what tells its input from others.
        mask: uint8 (S, H, W) as `ichmonai.prediction.steps.Answer` has it; None where there is none.
    """

    device: Device
    study: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    slices: Sequence[SourceSlice]
    content: str
    mask: NDArray[np.uint8] | None = None

    def uid(self, *what: str) -> str:
        """The UID of something that is made of this answer, always the same."""
        return self.device.uid(self.study["study"], self.study["series"], self.content, *what)

    @cached_property
    def keys(self) -> list[int]:
        """Indices of the slices to look at, in their order: those above the threshold that show it most.

        The leading slice is among them, and alone where none is above.
        """
        leading = int(self.study["leading_slice"])
        known = [(p, i) for i, row in enumerate(self.rows) if (p := number(row.get("p_ich"))) is not None]
        above = sorted((one for one in known if one[0] > self.device.threshold), reverse=True)
        return sorted(list(dict.fromkeys([leading, *(i for _, i in above)]))[:MOST_KEYS])

    @cached_property
    def volumes(self) -> dict[str, float]:
        """Millilitres of each kind that the mask shows, and of all of them as `any`; nothing without a mask."""
        thickness = slice_distances(self.slices)
        if self.mask is None or thickness is None:
            return {}
        row, column = (float(one) for one in self.slices[0].header.PixelSpacing)
        voxel = thickness * row * column / 1000
        return {
            "any": float(np.count_nonzero(self.mask, axis=(1, 2)) @ voxel),
            **{kind: float(np.count_nonzero(self.mask == i, axis=(1, 2)) @ voxel) for i, kind in enumerate(KINDS, 1)},
        }


def number(value: Any) -> float | None:
    """A number of a table; None where it has none."""
    return None if value in (None, "", "nan") else float(value)


def slice_distances(slices: Sequence[SourceSlice]) -> NDArray[np.float64] | None:
    """How much of the patient each slice stands for, in mm across the slices; None where the images do not say it."""
    headers = [one.header for one in slices]
    if len(headers) < 2 or any(not one.get("ImagePositionPatient") or not one.get("PixelSpacing") for one in headers):
        return None
    across = np.array(normal(tuple(map(float, headers[0].ImageOrientationPatient))))
    places = np.array([one.ImagePositionPatient for one in headers], dtype=np.float64) @ across
    between = np.abs(np.diff(places))
    return (np.append(between, between[-1]) + np.append(between[0], between)) / 2
