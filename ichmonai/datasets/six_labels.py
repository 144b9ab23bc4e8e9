"""Slices of any source with the six labels of RSNA 2019, as far as they are known."""

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ichmonai.classes import NOT_APPLICABLE, RSNA_LABELS
from ichmonai.datasets.datalist import load_datalist
from ichmonai.datasets.item import DatasetError, Item, has_rsna_labels
from ichmonai.datasets.readable import drop_unreadable
from ichmonai.datasets.rsna import LABELS_NAME, load_rsna


def load_six_labels(
    dataset_dir: str | PathLike | Sequence[str | PathLike], index_dir: str | PathLike | None = None, stop: bool = False
) -> list[Item]:
    """List slices with RSNA's labels: those of the challenge, or of datasets whose kinds are known.

    Args:
        dataset_dir: the challenge's folder, see `load_rsna`; or anything that `load_datalist` takes and that has kinds.
        index_dir: as for `load_rsna`.
        stop: raise instead of leaving unreadable images out.

    Returns:
        As of `load_rsna`. Of other datasets a label that is unknown is nan: it is not learnt, and the slice is not
        judged. Their slices are numbered as they stand, `position` is nan, and `series` is the patient.

    Raises:
        DatasetError: as for both; or no slice has a haemorrhage of which all kinds are known.
    """
    if isinstance(dataset_dir, str | PathLike) and (Path(dataset_dir) / LABELS_NAME).is_file():
        return load_rsna(dataset_dir, index_dir, stop)
    items = load_datalist(dataset_dir)
    if has_rsna_labels(items[0]):
        return items
    known = [item for item in items if item["label"][0] != NOT_APPLICABLE and "kinds" in item]
    if not any(item["label"][0] == 1 and np.isfinite(item["kinds"]).all() for item in known):
        raise DatasetError(
            f"{dataset_dir} has no slice with a haemorrhage all of whose kinds are known; give columns "
            f"{', '.join(RSNA_LABELS[1:])} with 0 or 1."
        )
    numbers: Counter[str] = Counter()
    labelled = []
    for item in drop_unreadable(known, stop):
        patient = item["patient"]
        rest = {name: value for name, value in item.items() if name not in ("kinds", "mask", "label")}
        label = np.concatenate([item["label"][:1].astype(np.float32), item["kinds"]]).astype(np.float32)
        place = {"series": patient, "slice": numbers[patient], "position": float("nan")}
        labelled.append({**place, **rest, "label": label})
        numbers[patient] += 1
    return labelled
