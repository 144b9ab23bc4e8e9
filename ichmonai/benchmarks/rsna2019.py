"""The training images of the RSNA 2019 challenge, whose slices are labelled (Flanders et al. 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import pydicom

from ichmonai.benchmarks.public_set import Labels, PublicSet, Truth, any_of
from ichmonai.datasets.rsna import IMAGES_NAME, load_rsna
from ichmonai.evaluation.tables import Table


@dataclass(frozen=True)
class RSNA2019(PublicSet):
    """The challenge's images, of which only the headers say what is a study.

    Attributes:
        images: name of each file -> its path, the patient's pseudonym, and labels (6,).
    """

    images: Mapping[str, tuple[str, str, Labels]] = field(default_factory=dict)

    def of_slices(self, slices: Table) -> Truth:
        """As `PublicSet.of_slices`; the challenge's files are named by their SOPInstanceUID."""
        uids = slices.columns["sop_instance_uid"].tolist()
        names = self.images.keys() & set(uids)
        by_uid = {name: self.images[name][1:] for name in names}
        if len(by_uid) < len(set(uids)):
            others = [one for name, one in self.images.items() if name not in names]
            by_uid |= {_uid(path): (patient, labels) for path, patient, labels in others}
        return Truth.of_rows(by_uid.get(uid) for uid in uids)

    def of_studies(self, studies: Table, slices: Table | None) -> Truth:
        """As `PublicSet.of_studies`: a study has what any of its slices has."""
        if slices is None:
            return Truth.of_rows(None for _ in range(len(studies)))
        truth = self.of_slices(slices)
        rows = np.flatnonzero(truth.cases != "")
        names, first, group = np.unique(slices.columns["study"][rows], return_index=True, return_inverse=True)
        order = np.argsort(group, kind="stable")
        parts = np.split(rows[order], np.cumsum(np.bincount(group))[:-1]) if len(rows) else []
        found = {
            name: (str(truth.cases[rows[start]]), any_of(truth.labels[part]))
            for name, start, part in zip(names.tolist(), first, parts, strict=True)
        }
        return Truth.of_rows(found.get(name) for name in studies.columns["study"].tolist())


def read_rsna2019(folder: str | PathLike, keep: str | PathLike | None = None) -> PublicSet:
    """Read the challenge's training images: `stage_2_train.csv` and `stage_2_train/ID_*.dcm`.

    What is left out is logged, see `load_rsna`.

    Args:
        folder: of the set.
        keep: folder for the index of its headers, which is read once.

    Raises:
        InputError: labels or images are missing, or the labels cannot be read.
    """
    root = Path(folder).absolute()
    items = load_rsna(root, keep)
    images = {
        Path(item["image"]).stem: (str(item["image"]), str(item["patient"]), item["label"].astype(np.int64))
        for item in items
    }
    return RSNA2019("rsna2019", (root / IMAGES_NAME,), images=images)


def _uid(path: str) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
