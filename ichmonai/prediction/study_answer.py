"""What was found in a study, for Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.errors import InputError
from ichmonai.io.findings import Finding
from ichmonai.io.geometry import Geometry
from ichmonai.notice import NOTICE
from ichmonai.prediction.mask_file import nifti
from ichmonai.prediction.pictures import Pictures
from ichmonai.prediction.rows import kinds_of, probability_of
from ichmonai.prediction.steps import Answer
from ichmonai.private_files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SliceAnswer:
    """What was found on a slice.

    Attributes:
        number: from 0, inferior to superior.
        probability: of a haemorrhage; None where the slice shows too little brain to be classified.
        locations: probability of each location if there is one.
        kinds: probability of each kind; empty where the network does not say them.
        area_mm2: of blood, in the mask; None where the network makes none or the size of a pixel is not known.
        kind_areas_mm2: the same of each kind; empty there.
    """

    number: int
    probability: float | None
    locations: Mapping[str, float]
    kinds: Mapping[str, float] = field(default_factory=dict)
    area_mm2: float | None = None
    kind_areas_mm2: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyAnswer:
    """What was found in a study. Research software; not for clinical use.

    Attributes:
        outcome: `positive`, `negative`, or `no_prediction` where the network gave no number, or one between the
            thresholds of a three-way decision.
        probability: of a haemorrhage; None where the network gave no number.
        locations: probability of deep, lobar and subtentorial if there is one.
        location: the most probable of them; empty where the answer is not positive.
        leading_slice: number of the slice that shows it most.
        slices: all, inferior to superior.
        warnings: code and sentence of what was found about the images.
        row: of the table of studies that `ichmonai predict` writes.
        pictures: slices as a reader sees them.
        kinds: probability of each kind, the most probable first; empty where the network does not say them.
        shown_kinds: those that a positive study shows, by their thresholds.
        volume_ml: of blood, in the mask; None where the network makes none, and where the image is one slice or has no
            geometry.
        volume_range_ml: of the pixels in which blood is more probable than 75%, and than 25%. It tells how far the
            volume depends on where the border of the blood is drawn, and is no interval in which the true volume lies
            with a known probability: what is missed or taken for blood is not in it.
        kind_volumes_ml: volume of each kind; empty where there is no volume.
        mask: uint8 (S, H, W) of all slices, inferior to superior, H to posterior and W to the patient's left: 0 where
            no blood is found, i + 1 for the kind i of `ichmonai.classes.KINDS`; None where the network makes none.
        geometry: where the pixels of the mask lie in the patient.
    """

    outcome: str
    probability: float | None
    locations: Mapping[str, float]
    location: str
    leading_slice: int
    slices: tuple[SliceAnswer, ...]
    warnings: tuple[Finding, ...]
    row: Mapping[str, Any] = field(repr=False)
    pictures: Pictures = field(repr=False)
    kinds: Mapping[str, float] = field(default_factory=dict)
    shown_kinds: tuple[str, ...] = ()
    volume_ml: float | None = None
    volume_range_ml: tuple[float, float] | None = None
    kind_volumes_ml: Mapping[str, float] = field(default_factory=dict)
    mask: NDArray[np.uint8] | None = field(default=None, repr=False)
    geometry: Geometry | None = field(default=None, repr=False)

    def save_mask(self, path: str | PathLike[str]) -> None:
        """Write the mask as NIfTI over the scan, see `ichmonai.prediction.mask_file.nifti`.

        Args:
            path: file, `.nii.gz`; its folder exists.

        Raises:
            InputError: the weights make no mask.
        """
        if self.mask is None or self.geometry is None:
            raise InputError(f"There is no mask to write to {path}: the weights make none; give others.")
        with replacing(Path(path), "wb") as file:
            file.write(nifti(self.mask, self.geometry))

    def plot(self) -> "Figure":
        """Draw the leading slice in the brain window, and the probability from slice to slice.

        Returns:
            A figure; a notebook shows it.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        row, column = self.pictures.spacing
        left.imshow(self.pictures.slices[self.leading_slice], cmap="gray", aspect=row / column)
        left.set_title(f"slice {self.leading_slice + 1} of {len(self.slices)}, 0 to 80 HU")
        left.set_axis_off()
        known = [one for one in self.slices if one.probability is not None]
        right.plot([one.number + 1 for one in known], [one.probability for one in known], "o-", markersize=3)
        right.axvline(self.leading_slice + 1, color="grey", linestyle=":")
        right.set(ylim=(-0.03, 1.03), xlabel="slice, from below", ylabel="probability of a haemorrhage")
        said = self.outcome.replace("_", " ") + (f", {self.location}" if self.location else "")
        right.set_title(said if self.probability is None else f"{said}: {probability_of(self.probability)}")
        figure.suptitle(NOTICE, fontsize="small")
        return figure


def study_answer(answer: Answer, warnings: tuple[Finding, ...]) -> StudyAnswer:
    """What was found, of an answer that has its pictures.

    Args:
        answer: to one series, without a finding.
        warnings: of its images.
    """
    row = answer.study
    if answer.pictures is None:
        raise ValueError("an answer without pictures")
    low, high = (_number(row.get(name, "")) for name in ("volume_low_ml", "volume_high_ml"))
    return StudyAnswer(
        outcome=row["outcome"],
        probability=_number(row["p_ich"]),
        locations=_numbers(row, LOCATIONS, "p_{}"),
        location=row["location"],
        leading_slice=int(row["leading_slice"]),
        slices=tuple(
            SliceAnswer(
                int(one["slice"]),
                _number(one.get("p_ich", "")),
                _numbers(one, LOCATIONS, "p_{}"),
                kinds_of(one),
                _number(one.get("area_mm2", "")),
                _numbers(one, KINDS, "area_{}_mm2"),
            )
            for one in answer.slices
        ),
        warnings=warnings,
        row=row,
        pictures=answer.pictures,
        kinds=kinds_of(row),
        shown_kinds=tuple(filter(None, row["kinds"].split(";"))),
        volume_ml=_number(row.get("volume_ml", "")),
        volume_range_ml=None if low is None or high is None else (low, high),
        kind_volumes_ml=_numbers(row, KINDS, "volume_{}_ml"),
        mask=answer.mask,
        geometry=answer.geometry,
    )


def _numbers(row: Mapping[str, Any], names: Sequence[str], column: str) -> dict[str, float]:
    found = {name: _number(row.get(column.format(name), "")) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> float | None:
    return None if value in ("", "nan") else float(value)
