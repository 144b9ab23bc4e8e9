"""Pairs of a predicted and a true mask, as NIfTI files beside the tables that name them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.errors import InputError, first_line
from ichmonai.evaluation.tables import Table, match

_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of blood.

    Attributes:
        path: of its file.
        values: uint8 (I, J, K) of `ichmonai.classes.KINDS`, or of 0 and 1 where kinds are not told apart; `UNKNOWN`
            where nothing is known. The axes run to the right, forwards and up.
        affine: (4, 4) voxels to mm.
    """

    path: Path
    values: NDArray[np.uint8]
    affine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MaskPair:
    """A study's two masks on one grid.

    Attributes:
        study: its name in the predictions.
        patient: whose it is.
        predicted: uint8 (I, J, K) of `ichmonai.classes.KINDS`; 0 where the truth is not known.
        true: the same.
        spacing: mm along the three axes; across slices that of their planes.
    """

    study: str
    patient: str
    predicted: NDArray[np.uint8]
    true: NDArray[np.uint8]
    spacing: tuple[float, float, float]


def truth_of_folder(folder: Path, predictions: Table, binary: bool = False) -> Table:
    """The truth that a folder of masks holds: `ich` and the kinds of each study, and its `mask`.

    Args:
        folder: NIfTI files, each named as the scan that it is of.
        predictions: `studies.csv`, whose `path` names the scans.
        binary: every value above 0 is blood whose kind is not known.

    Raises:
        InputError: it holds no NIfTI file, or the predictions name no scans.
    """
    files = [file for file in sorted(folder.iterdir()) if file.name.endswith(_SUFFIXES)]
    if not files:
        raise InputError(f"{folder} holds no mask; give a folder of .nii or .nii.gz files named as their scans.")
    if not predictions.has("study", "path"):
        raise InputError(f"{predictions.name} has no columns study and path; give the studies.csv of a prediction.")
    studies = dict(zip(map(_stem, predictions.columns["path"]), predictions.columns["study"], strict=True))
    columns: dict[str, list[str]] = {name: [] for name in ("study", "mask", "ich", *(() if binary else KINDS))}
    for file in files:
        values = read_mask(file, binary).values
        columns["study"].append(str(studies.get(_stem(str(file)), _stem(str(file)))))
        columns["mask"].append(file.name)
        columns["ich"].append(str(int(((values > 0) & (values != UNKNOWN)).any())))
        for kind in () if binary else KINDS:
            columns[kind].append(str(int((values == KINDS.index(kind) + 1).any())))
    return Table(folder.name, {name: np.array(cells, dtype=np.str_) for name, cells in columns.items()}, folder)


def mask_pairs(predictions: Table, truth: Table | None, binary: bool = False) -> Iterator[MaskPair]:
    """The studies of which both tables name a mask, in `mask`, read one by one.

    Args:
        predictions: of studies.
        truth: of the same; None where there is none.
        binary: as of `truth_of_folder`; the masks have the values 0 and 1 then.

    Raises:
        InputError: a file cannot be read or holds other values than those of a mask, or two do not lie on one grid.
    """
    if truth is None or "mask" not in predictions.columns or "mask" not in truth.columns:
        return
    _, found = match(predictions, truth)
    for row, at in enumerate(found):
        ours, theirs = predictions.columns["mask"][row], truth.columns["mask"][at] if at >= 0 else ""
        if not ours or not theirs:
            continue
        study = str(predictions.columns["study"][row])
        patient = str(truth.columns["patient"][at]) if "patient" in truth.columns else study
        one, other = predictions.folder / ours, truth.folder / theirs
        yield mask_pair(study, patient, read_mask(one, binary), read_mask(other, binary))


def mask_pair(study: str, patient: str, predicted: Mask, true: Mask) -> MaskPair:
    """Two masks of a study.

    Raises:
        InputError: they do not lie on one grid.
    """
    if predicted.values.shape != true.values.shape or not np.allclose(predicted.affine, true.affine, atol=0.05):
        raise InputError(
            f"{true.path} does not lie on the grid of {predicted.path} (shape {true.values.shape} and "
            f"{predicted.values.shape}, or another affine); give the truth on the grid of the scan."
        )
    known = true.values != UNKNOWN
    return MaskPair(study, patient, predicted.values * known, true.values * known, _spacing(predicted.affine))


def read_mask(path: Path, binary: bool = False) -> Mask:
    """Read a NIfTI mask, turned so that its axes run to the right, forwards and up.

    Args:
        path: of the file.
        binary: every value above 0 is 1.

    Raises:
        InputError: it cannot be read or holds other values than those of a mask.
    """
    try:
        image: Any = nib.as_closest_canonical(nib.load(path))
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise InputError(f"{path} cannot be read as a mask ({first_line(error)}); give a NIfTI file.") from error
    values = values.reshape(values.shape[:3]) if values.size == np.prod(values.shape[:3]) else values
    if binary:
        values = (values > 0).astype(np.uint8)
    if values.ndim != 3 or not np.isin(values, [*range(len(KINDS) + 1), UNKNOWN]).all():
        raise InputError(
            f"{path} is no mask of three dimensions with the values 0 to {len(KINDS)}, or {UNKNOWN} where nothing is "
            "known; give --binary where values above 0 say blood and not its kind."
        )
    return Mask(path, values.astype(np.uint8), np.asarray(image.affine))


def _spacing(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second = (float(np.linalg.norm(affine[:3, axis])) for axis in (0, 1))
    return first, second, abs(float(np.linalg.det(affine[:3, :3]))) / (first * second)


def _stem(path: str) -> str:
    name = Path(path).name
    return next((name[: -len(suffix)] for suffix in _SUFFIXES if name.endswith(suffix)), name)
