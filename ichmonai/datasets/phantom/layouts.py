"""Phantom studies as NIfTI volumes and in the folder layout of DTViT; the table of truths that every layout has."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from ichmonai.classes import LOCATIONS, RSNA_LABELS
from ichmonai.datasets.phantom.cohort import ICH_KINDS
from ichmonai.datasets.phantom.haemorrhage import PhantomKind
from ichmonai.datasets.phantom.study import PhantomStudy, SliceTruth

DTVIT_WINDOW = (0.0, 80.0)
"""HU that DTViT's 8-bit images show as 0 and 255."""

ENOUGH_BRAIN_MM2 = 3000.0
"""Intracranial area in mm2 from which a slice goes into the DTViT layout."""

_DTVIT_FOLDERS = {
    PhantomKind.NORMAL: "no",
    PhantomKind.DEEP: "yes/Deep",
    PhantomKind.LOBAR: "yes/Lobar",
    PhantomKind.SUBTENTORIAL: "yes/Subtentorial",
}


class Truth:
    """Writes ``truth.csv``: one row a slice with its file, UIDs (of DICOM), labels and areas.

    Args:
        folder: where ``truth.csv`` goes; files are named relative to it.
    """

    columns = ("patient", "kind", "file", "study", "sop_instance_uid", "slice", "z_mm", "ich", "location",
               *RSNA_LABELS, "blood_mm2", "brain_mm2")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "truth.csv"

    def __enter__(self) -> "Truth":
        self._stream = self.path.open("w", newline="")
        self._writer = csv.writer(self._stream)
        self._writer.writerow(self.columns)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def add(self, file: Path, study: PhantomStudy, record: SliceTruth, dataset: Dataset | None = None) -> None:
        """Write the row of one slice; ``dataset`` is its DICOM image, if it is one."""
        uids = ("", "") if dataset is None else (dataset.StudyInstanceUID, dataset.SOPInstanceUID)
        self._writer.writerow([
            study.patient, study.kind.value, file.relative_to(self.folder).as_posix(), *uids, record.index,
            f"{record.z:.3f}", record.ich, LOCATIONS[record.location] if record.ich else "", *record.rsna,
            f"{record.blood_mm2:.1f}", f"{record.brain_mm2:.1f}",
        ])  # fmt: skip


def write_nifti(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write one NIfTI file a patient: ``<patient>.nii.gz``, int16 HU, voxel axes left, posterior, superior.

    The affine of a tilted series is sheared: the slices are stored as acquired, not resampled. It goes into the sform
    (code 1); a qform cannot hold a shear, so its code is 0 and readers must not fall back to it.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    with Truth(folder) as truth:
        for study in studies:
            path = folder / f"{study.patient}.nii.gz"
            save_volume(path, study.hu, study)
            for record in study.truth:
                truth.add(path, study, record)
    return truth.path


def save_volume(path: Path, voxels: NDArray, study: PhantomStudy) -> None:
    """Save HU or a mask of a study, shape (H, W, S), as :func:`write_nifti` does."""
    image = nib.Nifti1Image(np.swapaxes(voxels, 0, 1), study.affine[:, [1, 0, 2, 3]])
    image.set_sform(study.affine[:, [1, 0, 2, 3]], code=1)
    image.set_qform(None, code=0)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def write_dtvit(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write DTViT's layout: 8-bit JPEG of 0 to 80 HU without head holder, and ``slices.csv``.

    Normal patients give every slice with enough brain (``ENOUGH_BRAIN_MM2``), the others those that show their
    intracerebral haemorrhage. Patients with another kind of haemorrhage have no place in this layout and are left out.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    for name in _DTVIT_FOLDERS.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    count: Counter[str] = Counter()
    low, high = DTVIT_WINDOW
    with (folder / "slices.csv").open("w", newline="") as stream, Truth(folder) as truth:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "ich", "location"])
        for study in studies:
            if study.kind not in _DTVIT_FOLDERS:
                continue
            place = _DTVIT_FOLDERS[study.kind]
            for record in study.truth:
                if record.brain_mm2 < ENOUGH_BRAIN_MM2 or (study.kind in ICH_KINDS and not record.ich):
                    continue
                count[place] += 1
                path = folder / place / f"{count[place]:04d}-{study.patient}.jpg"
                grey = np.clip((study.hu[..., record.index] - low) / (high - low), 0.0, 1.0) * 255.0
                grey[~study.head[..., record.index]] = 0.0
                Image.fromarray(np.rint(grey).astype(np.uint8)).save(path, quality=95)
                truth.add(path, study, record)
                location = LOCATIONS[record.location] if record.ich else ""
                rows.writerow([path.relative_to(folder).as_posix(), study.patient, record.ich, location])
    return truth.path
