"""Phantom studies in the layouts of public sets: CT-ICH, CQ500 and BHSD."""

import csv
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ichmonai.classes import KINDS, RSNA_LABELS
from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.datasets.phantom.layouts import Truth, save_volume
from ichmonai.datasets.phantom.study import PhantomStudy

_CT_ICH_COLUMNS = {
    "Intraventricular": "intraventricular",
    "Intraparenchymal": "intraparenchymal",
    "Subarachnoid": "subarachnoid",
    "Epidural": "epidural",
    "Subdural": "subdural",
}
_CQ500_COLUMNS = {
    "ICH": "any",
    "IPH": "intraparenchymal",
    "IVH": "intraventricular",
    "SDH": "subdural",
    "EDH": "epidural",
    "SAH": "subarachnoid",
}
_READERS = 3


def write_ct_ich(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write the layout of CT-ICH (PhysioNet 1.3.1).

    ``ct_scans/049.nii`` and so on (59 to 65 are missing), ``masks/`` of the same names with 255 where any blood is, and
    ``hemorrhage_diagnosis_raw_ct.csv``, whose SliceNumber counts along the file's third axis from 1.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    for name in ("ct_scans", "masks"):
        (folder / name).mkdir(exist_ok=True)
    numbers = (n for n in count(49) if not 59 <= n <= 65)
    with (folder / "hemorrhage_diagnosis_raw_ct.csv").open("w", newline="") as stream, Truth(folder) as truth:
        rows = csv.writer(stream)
        rows.writerow(["PatientNumber", "SliceNumber", *_CT_ICH_COLUMNS, "No_Hemorrhage", "Fracture_Yes_No"])
        for number, study in zip(numbers, studies, strict=False):
            path = folder / "ct_scans" / f"{number:03d}.nii"
            save_volume(path, study.hu, study)
            save_volume(folder / "masks" / path.name, (labelled_blood(study) > 0) * np.uint8(255), study)
            for record in study.truth:
                labels = dict(zip(RSNA_LABELS, record.rsna, strict=True))
                kinds = [labels[kind] for kind in _CT_ICH_COLUMNS.values()]
                rows.writerow([number, record.index + 1, *kinds, 1 - labels["any"], 0])
                truth.add(path, study, record)
    return truth.path


def write_cq500(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write the layout of CQ500.

    ``CQ500CT0 CQ500CT0/Unknown Study/<series>/CT000000.dcm`` with two series a study, of which one is with contrast
    medium, and ``reads.csv`` of three readers. Of every third patient one reader is of another opinion.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``, which has the slices of the series without contrast medium.
    """
    with (folder / "reads.csv").open("w", newline="") as stream, Truth(folder) as truth:
        rows = csv.writer(stream)
        readers = range(1, _READERS + 1)
        rows.writerow(["name", "Category", *(f"R{r}:{name}" for r in readers for name in _CQ500_COLUMNS)])
        for number, study in enumerate(studies):
            top = folder / f"CQ500CT{number} CQ500CT{number}" / "Unknown Study"
            for record in study.truth:
                for name, dataset in _series(study, record.index):
                    path = top / name / f"CT{record.index:06d}.dcm"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    dataset.save_as(path, enforce_file_format=True)
                    if name == "CT Plain":
                        truth.add(path, study, record, dataset)
            shown = {label: max(one.rsna[k] for one in study.truth) for k, label in enumerate(RSNA_LABELS)}
            opinion = [shown[label] for label in _CQ500_COLUMNS.values()]
            other = [1 - opinion[0], *([0] * (len(opinion) - 1))]
            odd_one = _READERS if number % 3 == 0 else 0
            read = [value for r in readers for value in (other if r == odd_one else opinion)]
            rows.writerow([f"CQ500-CT-{number}", "B1", *read])
    return truth.path


def write_bhsd(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write the layout of BHSD: ``images/ID_<patient>_ID_<study>.nii.gz`` and ``ground truths/`` of the same names.

    A mask's values are 1 epidural, 2 intraparenchymal, 3 intraventricular, 4 subarachnoid and 5 subdural, as
    ``dataset.json`` of https://github.com/White65534/BHSD says; this is the order of ``ichmonai.classes.KINDS``.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    for name in ("images", "ground truths"):
        (folder / name).mkdir(exist_ok=True)
    with Truth(folder) as truth:
        for number, study in enumerate(studies):
            path = folder / "images" / f"ID_{number:08x}_ID_{study.seed:010x}.nii.gz"
            save_volume(path, study.hu, study)
            save_volume(folder / "ground truths" / path.name, labelled_blood(study), study)
            for record in study.truth:
                truth.add(path, study, record)
    return truth.path


def labelled_blood(study: PhantomStudy) -> NDArray[np.uint8]:
    """The mask of blood (H, W, S), 1 + index into ``KINDS``, of the kinds that each slice has a label of.

    Less than ``VISIBLE_MM2`` has none, as no reader would mark it.
    """
    mask = study.blood.copy()
    for record in study.truth:
        for value in range(1, len(KINDS) + 1):
            if not record.rsna[value]:
                plane = mask[..., record.index]
                plane[plane == value] = 0
    return mask


def _series(study: PhantomStudy, index: int) -> Iterator[tuple[str, Dataset]]:
    """One slice in each series of its study, by the name of the series' folder."""
    yield "CT Plain", slice_dataset(study, index)
    other = slice_dataset(study, index)
    other.SeriesDescription, other.SeriesNumber, other.ContrastBolusAgent = "CT POST CONTRAST", "3", "contrast medium"
    other.SeriesInstanceUID = generate_uid(entropy_srcs=[other.SeriesInstanceUID, "contrast"])
    other.SOPInstanceUID = generate_uid(entropy_srcs=[other.SOPInstanceUID, "contrast"])
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    yield "CT POST CONTRAST", other
