"""What readers have labelled in MONAI Label, as a dataset of slices to train on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from PIL import Image as Picture

from ichmonai.classes import KINDS, LOCATIONS, UNKNOWN
from ichmonai.errors import InputError, first_line
from ichmonai.io import load_head_ct
from ichmonai.io.formats import format_of
from ichmonai.io.head_ct import DTVIT_WINDOW, Image
from ichmonai.io.header import Kind
from ichmonai.io.series import ImageSource
from ichmonai.tables import write_csv
from ichmonai.transforms import AverageThinSlices, KeepBrainSlices, RemoveHeadHolder


class LabelledStudy(NamedTuple):
    """A study and what a reader has said of it.

    Attributes:
        name: MONAI Label's name of the image; counts as the patient.
        image: what `load_head_ct` takes.
        label: file, see `read_label`.
        label_info: MONAI Label's record of the label; its `label_info` names the values of a segmentation.
    """

    name: str
    image: Image | Sequence[Image]
    label: str
    label_info: Mapping[str, Any] = {}


class SliceLabel(NamedTuple):
    """What a slice shows: `ich` 0 or 1, and the location; empty where there is none or it is not known."""

    ich: int
    location: str = ""


def read_label(study: LabelledStudy, volume: MetaTensor, names: Sequence[str] = LOCATIONS) -> dict[int, SliceLabel]:
    """Read a label file.

    A segmentation (NIfTI or NRRD) on the image's grid: a slice in which anything is marked shows a haemorrhage, where
    most of the marks say; a slice without marks, and the whole of an empty segmentation, is normal. Values have the
    names of `label_info` where there are any, as 3D Slicer writes them, and else are 1 deep, 2 lobar, 3 subtentorial;
    another name marks a haemorrhage whose location is not known. Or JSON, `{"slices": [{"slice": 12, "ich": 1,
    "location": "deep"}, ...]}`, slices counted from 0 at the lowest; those that are not listed stay unlabelled.

    Args:
        study: its label is read.
        volume: its image in HU, (1, H, W, S).
        names: of the values from 1 on where the label says none.

    Returns:
        Slice index -> label.

    Raises:
        InputError: the file cannot be read, or is not of this image.
    """
    path = Path(study.label)
    if path.name.lower().endswith(".json"):
        return _from_json(path, volume.shape[-1])
    marks, said = _marks(study, volume, names)
    labels = {}
    for index in range(marks.shape[-1]):
        values, counts = np.unique(marks[..., index][marks[..., index] > 0].astype(int), return_counts=True)
        name = said.get(int(values[counts.argmax()]), "") if values.size else ""
        labels[index] = SliceLabel(int(values.size > 0), name if name in LOCATIONS else "")
    return labels


def read_mask(study: LabelledStudy, volume: MetaTensor) -> NDArray[np.uint8] | None:
    """Read a segmentation as a mask of kinds.

    Its values have the names of `label_info` where there are any, and else are those of a mask. What has another name
    is blood whose kind is not known.

    Args:
        study: its label is read.
        volume: its image in HU, (1, H, W, S).

    Returns:
        uint8 (H, W, S): 0, i + 1 for the kind i of `KINDS`, or `UNKNOWN`; None where the label is no segmentation.

    Raises:
        InputError: as `read_label`.
    """
    if study.label.lower().endswith(".json"):
        return None
    marks, names = _marks(study, volume, KINDS)
    mask = np.where(marks > 0, UNKNOWN, 0).astype(np.uint8)
    for value, name in names.items():
        if name in KINDS:
            mask[marks == value] = KINDS.index(name) + 1
    return mask


def _marks(
    study: LabelledStudy, volume: MetaTensor, defaults: Sequence[str]
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """The values of a segmentation, and their names."""
    path = Path(study.label)
    found = format_of(path.name)
    if found is None or found.kind is not Kind.VOLUME:
        raise InputError(
            f"The label {path} is neither a segmentation (.nii.gz, .nrrd) nor JSON; save it as one of them."
        )
    marks, affine = found.read(ImageSource(str(path)), DTVIT_WINDOW)[:2]
    own = volume.affine.cpu().numpy()
    if affine is None or marks.shape != volume.shape[1:] or not np.allclose(affine, own, atol=0.05):
        raise InputError(
            f"The label {path} has another grid than its image: {marks.shape} for {tuple(volume.shape[1:])} voxels, or "
            "another place; save it with the image as the reference."
        )
    names = {int(one["idx"]): str(one["name"]).lower() for one in study.label_info.get("label_info") or ()}
    return marks, names or dict(enumerate(defaults, 1))


def write_training_data(studies: Iterable[LabelledStudy], folder: str | PathLike, masks: bool = False) -> Path:
    """Write the labelled slices that show brain as DTViT's images are: 8-bit, 0 to 80 HU, without head holder.

    Args:
        studies: at least one.
        folder: is made; gets a folder of images for each study, and a `slices.csv` that `load_datalist` reads.
        masks: segmentations are masks of kinds, which are written beside the images.

    Returns:
        The folder.

    Raises:
        InputError: nothing is labelled, or a label or an image cannot be read.
    """
    folder = Path(folder)
    low = DTVIT_WINDOW[0] - DTVIT_WINDOW[1] / 2
    rows = []
    for number, study in enumerate(studies, 1):
        volume = load_head_ct(study.image)
        if volume.ndim != 4:
            raise InputError(f"{study.image} is a single slice; label volumes or series.")
        labels = read_label(study, volume, KINDS if masks else LOCATIONS)
        mask = read_mask(study, volume) if masks else None
        brain = cast(MetaTensor, KeepBrainSlices()(RemoveHeadHolder()(AverageThinSlices()(volume))))
        grey = ((brain.as_tensor()[0] - low) * (255 / DTVIT_WINDOW[1])).round().clamp(0, 255).to(torch.uint8).numpy()
        place = folder / f"{number:04d}"
        place.mkdir(parents=True)
        for position, index in enumerate(brain.meta["brain_slices"]):
            if index not in labels:
                continue
            image = place / f"{index:03d}.png"
            Picture.fromarray(grey[..., position]).save(image)
            relative = image.relative_to(folder).as_posix()
            rows.append({"image": relative, "patient": study.name, "study": study.name, "slice": index})
            rows[-1] |= labels[index]._asdict()
            if mask is not None:
                file = image.with_suffix(".mask.png")
                Picture.fromarray(mask[..., index]).save(file)
                rows[-1] |= {"mask": file.relative_to(folder).as_posix(), **_kinds(mask[..., index])}
    if not rows:
        raise InputError("No study is labelled; submit some labels before training.")
    columns = ("image", "patient", "ich", "location", "study", "slice", *(("mask", *KINDS) if masks else ()))
    write_csv(folder / "slices.csv", columns, rows)
    return folder


def _kinds(mask: NDArray[np.uint8]) -> dict[str, int | str]:
    """What a slice's mask says of the kinds; where it has blood of an unknown kind, no other is ruled out."""
    absent = "" if (mask == UNKNOWN).any() else 0
    return {kind: 1 if (mask == value).any() else absent for value, kind in enumerate(KINDS, 1)}


def _from_json(path: Path, slices: int) -> dict[int, SliceLabel]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["slices"]
        labels = {int(one["slice"]): SliceLabel(int(one["ich"]), one.get("location") or "") for one in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"The label {path} cannot be read ({first_line(error)}); see label.md for its form."
        ) from error
    for index, label in labels.items():
        known = label.location in ("", *LOCATIONS) and label.ich in (0, 1) and not (label.location and not label.ich)
        if not known or not 0 <= index < slices:
            raise InputError(
                f"The label {path} says {label._asdict()} of slice {index}; the image has {slices} slices, ich is 0 or "
                f"1, and the location of a haemorrhage one of {', '.join(LOCATIONS)}, or empty."
            )
    return labels
