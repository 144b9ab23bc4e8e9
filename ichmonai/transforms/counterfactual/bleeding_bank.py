"""Bleedings cut out of the slices of a training set, to be transplanted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ichmonai.classes import UNKNOWN
from ichmonai.transforms.counterfactual.bleeding import Bleeding, Layer, cut_bleeding
from ichmonai.transforms.counterfactual.cut_by_mask import cut_by_mask


def bleeding_bank(
    items: Iterable[Mapping[str, Any]],
    load: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    per_patient: int = 4,
    spacing: Sequence[float] | None = None,
) -> list[Bleeding | Layer]:
    """Cut the bleedings out of training slices; what `RandTransplantBleeding` takes.

    Give it the training part alone: a bleeding of a validation patient would be seen in training.

    Args:
        items: datalist of slices with `label`, int64 (2,) or float (6,), and, if known, `patient`. Normal ones and
            those without mask and credible proposal are passed over.
        load: turns an item into one whose `image` is HU (1, H, W), as a Compose up to the windows does. Let it do what
            happens to the slices that the bleedings are transplanted into, such as `CropToHeadd`, perhaps to more
            pixels. Where it gives a `mask`, (1, H, W) of the numbers of `KINDS` from 1, the bleedings are cut by it.
        per_patient: most slices of one patient that are cut, spread over all of the patient's.
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
    bank: list[Bleeding | Layer] = []
    for number, item in enumerate(bleeding):
        patient = item.get("patient", number)
        order, total = seen[patient], totals.get(patient, 1)
        seen[patient] += 1
        if order * per_patient // total == (order - 1) * per_patient // total:
            continue
        loaded = load(item)
        image, mask = np.asarray(loaded["image"])[0], loaded.get("mask")
        mask = None if mask is None else np.asarray(mask)[0]
        if mask is not None and ((mask > 0) & (mask != UNKNOWN)).any():
            bank += cut_by_mask(image, mask, spacing)
        elif (found := cut_bleeding(image, item["label"], spacing)) is not None:
            bank.append(found)
    return bank
