"""BHSD: 192 CT of RSNA's challenge with masks of five kinds (Wu et al. 2023)."""

from os import PathLike
from pathlib import Path

import numpy as np

from ichmonai.benchmarks.public_set import Labels, PublicSet, named
from ichmonai.benchmarks.volumes import VolumeTruth, mask_values, volume_set
from ichmonai.classes import KINDS
from ichmonai.errors import InputError

MASK_KINDS = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
"""Kinds of the values 1 to 5 of a mask: "labels" of dataset.json in https://github.com/White65534/BHSD."""
_MASKS = ("ground truths", "masks", "labels")
"""Folders that the masks are in: as published, and what others call it."""
_DOWNLOAD = "label_192 of BHSD (https://github.com/White65534/BHSD)"


def read_bhsd(folder: str | PathLike, keep: str | PathLike | None = None) -> PublicSet:
    """Read BHSD: `images/ID_<patient>_ID_<study>.nii.gz` and masks of the same names in `ground truths/`.

    Args:
        folder: of the set, or the one that `label_192` is in.
        keep: not used.

    Raises:
        InputError: images or masks are missing, or a mask cannot be read or holds other values.
    """
    root = Path(folder).absolute()
    if not (root / "images").is_dir() and (root / "label_192" / "images").is_dir():
        root = root / "label_192"
    masks = next((root / name for name in _MASKS if (root / name).is_dir()), None)
    if not (root / "images").is_dir() or masks is None:
        raise InputError(f"{root} has no folders images and {_MASKS[0]}; give the folder of {_DOWNLOAD}.")
    images = sorted(path for path in (root / "images").iterdir() if path.name.lower().endswith((".nii", ".nii.gz")))
    images = [path for path in images if not path.name.startswith(".")]
    missing = [path.name for path in images if not (masks / path.name).is_file()]
    if len(missing) == len(images):
        raise InputError(f"No image in {root / 'images'} has a mask of its name in {masks}; give {_DOWNLOAD}.")
    notes = []
    if missing:
        notes.append(f"{len(missing)} of {len(images)} images have no mask and are left out: {named(missing)}.")
    without = sorted({path.name for path in masks.iterdir()} - {path.name for path in images})
    if without := [name for name in without if name.endswith((".nii", ".nii.gz")) and not name.startswith(".")]:
        notes.append(f"{len(without)} masks have no image and are left out: {named(without)}.")
    found = [path for path in images if path.name not in missing]
    volumes = {
        path: VolumeTruth(_patient(path), _labels(masks / path.name), masks / path.name, MASK_KINDS) for path in found
    }
    return volume_set("bhsd", volumes, notes)


def _patient(path: Path) -> str:
    """The patient of an image, some of whom have several studies."""
    name = path.name.partition(".")[0]
    parts = name.split("_")
    return "_".join(parts[:2]) if len(parts) == 4 and parts[0] == parts[2] == "ID" else name


def _labels(mask: Path) -> Labels:
    """Labels (S, 6) of the slices of a mask."""
    values = mask_values(mask, len(MASK_KINDS))
    rows = [[bool(one), *(MASK_KINDS.index(kind) + 1 in one for kind in KINDS)] for one in values]
    return np.array(rows, dtype=np.int64)
