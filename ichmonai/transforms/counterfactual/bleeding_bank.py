"""Bleedings cut out of the slices of a training set, to be transplanted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ichmonai.classes import LOCATIONS, NOT_APPLICABLE, RSNA_LABELS
from ichmonai.transforms.anatomy.binary_image import Mask, dilate
from ichmonai.transforms.anatomy.bleeding import (
    bounding_box,
    brain_level,
    pixel_size,
    pixels,
    propose_bleeding,
    smooth_inside,
)
from ichmonai.transforms.anatomy.intracranial import intracranial_mask

# Lengths are in mm.
HALO = 4.0  # of a bleeding that is cut out with it
FADE = 1.2  # standard deviation of its soft edge
DENOISE = 0.8  # standard deviation; the noise will be the target's own
RISE_HU = (-8.0, 60.0)  # limits of what is cut, above the brain's level: no fluid, no bone
SKULL_HU = 76.0  # of bone, also where an image ends at 80 HU
OUTLIERS = 3  # pixels of skull in a row or column that do not count
SHAPE = 24  # samples along each side of the shape of the inside of the skull


@dataclass(frozen=True, eq=False)
class Bleeding:
    """A bleeding cut out of a slice, about 20 kB.

    Attributes:
        rise: HU above the level of the brain, without noise, float16 (h, w).
        part: how much of each pixel is replaced by it, 0 to 255, uint8 (h, w).
        centre: its middle (row, column) in the box of the skull, 0 to 1 from top to bottom and left to right.
        pixel: its side in mm, from the size of the box of the skull where that is not known.
        box: height and width of the box of the skull in mm.
        shape: the inside of the skull in that box, bool (24, 24), which tells how high the slice lies.
        location: index of `LOCATIONS`, or `NOT_APPLICABLE`.
        subtypes: those of `RSNA_LABELS` that it is.
    """

    rise: NDArray[np.float16]
    part: NDArray[np.uint8]
    centre: tuple[float, float]
    pixel: float
    box: tuple[float, float]
    shape: NDArray[np.bool_]
    location: int
    subtypes: tuple[str, ...]


def bleeding_bank(
    items: Iterable[Mapping[str, Any]],
    load: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    per_patient: int = 4,
    spacing: Sequence[float] | None = None,
) -> list[Bleeding]:
    """Cut the bleedings out of training slices; what `RandTransplantBleeding` takes.

    Give it the training part alone: a bleeding of a validation patient would be seen in training.

    Args:
        items: datalist of slices with `label`, int64 (2,) or float (6,), and, if known, `patient`. Normal ones and
            those without a credible proposal are passed over.
        load: turns an item into one whose `image` is HU (1, H, W), as a Compose up to the windows does. Let it do what
            happens to the slices that the bleedings are transplanted into, such as `CropToHeadd`.
        per_patient: most bleedings of one patient, spread over the patient's slices.
        spacing: see `propose_bleeding`.

    Returns:
        The bleedings in the order of the items.

    Example:
        >>> bleeding_bank([{"image": "a.png", "label": np.array([0, -1])}], load=dict)  # nobody bleeds
        []
    """
    bleeding = [item for item in items if item["label"][0] > 0]
    totals = Counter(item.get("patient") for item in bleeding)
    seen: Counter[Any] = Counter()
    bank = []
    for number, item in enumerate(bleeding):
        patient = item.get("patient", number)
        order, total = seen[patient], totals.get(patient, 1)
        seen[patient] += 1
        if order * per_patient // total == (order - 1) * per_patient // total:
            continue
        found = cut_bleeding(np.asarray(load(item)["image"])[0], item["label"], spacing)
        if found is not None:
            bank.append(found)
    return bank


def cut_bleeding(image: np.ndarray, label: Any, spacing: Sequence[float] | None = None) -> Bleeding | None:
    """Cut the bleeding out of a slice.

    Args:
        image: HU (H, W).
        label: of the slice, (2,) or (6,).
        spacing: see `propose_bleeding`.

    Returns:
        The bleeding, or None where there is no credible proposal.
    """
    inside = intracranial_mask(image, spacing)
    blood = propose_bleeding(image, spacing, inside)
    if not blood.any():
        return None
    pixel = pixel_size(image, spacing)
    box = skull_box(image, inside)
    size = box[0].stop - box[0].start, box[1].stop - box[1].start
    window = bounding_box(blood, pixels(HALO + 4 * FADE, pixel))
    smoothed = smooth_inside(image.clip(-20, 100), inside, DENOISE / pixel)
    rise = (smoothed - brain_level(smoothed, inside))[window].clip(*RISE_HU)
    part = ndimage.gaussian_filter(dilate(blood, pixels(HALO, pixel)).astype(np.float32), FADE / pixel)
    part = (part * inside)[window]
    centre = (window[0].start + window[0].stop - 1) / 2, (window[1].start + window[1].stop - 1) / 2
    if len(label) == len(RSNA_LABELS):
        location, subtypes = NOT_APPLICABLE, tuple(n for n, v in zip(RSNA_LABELS, label, strict=True) if v)[1:]
    else:
        location, subtypes = int(label[1]), ("intraparenchymal",)
    return Bleeding(
        rise=rise.astype(np.float16),
        part=np.rint(part * 255).astype(np.uint8),
        centre=((centre[0] - box[0].start) / size[0], (centre[1] - box[1].start) / size[1]),
        pixel=pixel,
        box=(size[0] * pixel, size[1] * pixel),
        shape=skull_shape(inside, box),
        location=location if location in range(len(LOCATIONS)) else NOT_APPLICABLE,
        subtypes=subtypes,
    )


def skull_box(image: np.ndarray, inside: Mask) -> tuple[slice, slice]:
    """Rows and columns that hold the skull; what is as bright but small, as a marker, does not count."""
    skull = (image >= SKULL_HU) | inside
    rows, columns = (np.flatnonzero(skull.sum(axis=axis) > OUTLIERS) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def skull_shape(inside: Mask, box: tuple[slice, slice]) -> NDArray[np.bool_]:
    """The inside of the skull sampled in the box of the skull, (24, 24)."""
    rows, columns = (np.linspace(part.start, part.stop - 1, SHAPE).round().astype(int) for part in box)
    return inside[np.ix_(rows, columns)]
