"""Sets of NIfTI volumes whose slices are labelled: which slice of a file is which slice of a prediction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ichmonai.benchmarks.public_set import Labels, PublicSet, Truth, any_of
from ichmonai.classes import KINDS
from ichmonai.errors import InputError, first_line, printable
from ichmonai.evaluation.mask_files import Mask, MaskPair, mask_pair, read_mask
from ichmonai.evaluation.tables import Table
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.limits import check_size


@dataclass(frozen=True)
class VolumeTruth:
    """What is known of one volume.

    Attributes:
        patient: its name.
        labels: (S, 6), of the slices along the third axis of the file.
        mask: file of a mask in the axes of the volume, if there is one.
        kinds: of the values 1, 2, and so on of the mask; none where every value above 0 is any blood.
    """

    patient: str
    labels: Labels
    mask: Path | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeSet(PublicSet):
    """A set of volumes, a file a study.

    Attributes:
        volumes: path of each file, as a prediction names it -> what is known of it.
    """

    volumes: Mapping[str, VolumeTruth] = field(default_factory=dict)

    def of_slices(self, slices: Table) -> Truth:
        """As `PublicSet.of_slices`.

        Raises:
            InputError: a volume has another number of slices than labels.
        """
        names = slices.columns["study"]
        order = {name: self._in_order(name) for name in np.unique(names).tolist() if name in self.volumes}
        numbers = slices.numbers("slice").astype(np.int64)
        for name in order:
            if (found := int((names == name).sum())) != len(order[name]):
                raise InputError(
                    f"{name} has {found} slices, but {len(order[name])} are labelled; look whether the labels and the "
                    "volume are of one download."
                )
        return Truth.of_rows(
            (self.volumes[name].patient, order[name][number]) if name in order else None
            for name, number in zip(names.tolist(), numbers.tolist(), strict=True)
        )

    def of_studies(self, studies: Table, slices: Table | None) -> Truth:
        """As `PublicSet.of_studies`."""
        return Truth.of_rows(
            (self.volumes[name].patient, self.studies[name]) if name in self.volumes else None
            for name in studies.columns["study"].tolist()
        )

    def missing(self, studies: Table) -> list[str]:
        """As `PublicSet.missing`."""
        return sorted(self.studies.keys() - set(studies.columns["study"].tolist()))

    def masks(self, studies: Table) -> Iterator[MaskPair]:
        """As `PublicSet.masks`. A true mask lies on its volume voxel by voxel, whatever its own affine says.

        Raises:
            InputError: a mask cannot be read, or does not have the shape of its volume.
        """
        if "mask" not in studies.columns:
            return
        for name, file in zip(studies.columns["study"].tolist(), studies.columns["mask"].tolist(), strict=True):
            truth = self.volumes.get(name)
            if file and truth is not None and truth.mask is not None:
                true = _labelled(truth.mask, truth.kinds, Path(name))
                yield mask_pair(name, truth.patient, read_mask(studies.folder / file, not truth.kinds), true)

    @property
    def mask_kinds(self) -> tuple[str, ...] | None:
        """As `PublicSet.mask_kinds`."""
        masked = [one for one in self.volumes.values() if one.mask is not None]
        return masked[0].kinds if masked else None

    def _in_order(self, name: str) -> Labels:
        """The labels of a volume from inferior to superior, as slices are predicted."""
        labels = self.volumes[name].labels
        return labels if _runs_up(Path(name)) else labels[::-1]


def volume_set(name: str, volumes: Mapping[Path, VolumeTruth], notes: list[str]) -> VolumeSet:
    """Make a set of the volumes that are there."""
    found = {printable(str(path)): one for path, one in volumes.items()}
    studies = {path: any_of(one.labels) for path, one in found.items()}
    return VolumeSet(name, tuple(volumes), studies, tuple(notes), found)


def mask_values(path: Path, most: int) -> list[set[int]]:
    """Which values but 0 each slice of a mask has, along the third axis of its file.

    Args:
        path: of the mask.
        most: the highest value that it may have.

    Raises:
        InputError: it cannot be read, is too large, or has other values.
    """
    try:
        image: Any = nib.load(path)
        shape = image.shape
        if len(shape) != 3:
            raise InputError(f"{path} has {len(shape)} dimensions; a mask has three.")
        check_size(str(path), *shape)
        voxels = np.asarray(image.dataobj)
        values = [set(np.unique(voxels[..., k]).tolist()) - {0} for k in range(shape[2])]
    except (InputError, HeadCTReadError):
        raise
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise InputError(f"{path} cannot be read as a mask ({first_line(error)}); copy it again.") from error
    wrong = [value for one in values for value in one if not (0 < value <= most and value == int(value))]
    if wrong:
        raise InputError(f"{path} has a voxel of {wrong[0]:g}; a mask has whole numbers from 0 to {most}.")
    return [{int(value) for value in one} for one in values]


def _labelled(path: Path, kinds: tuple[str, ...], scan: Path) -> Mask:
    """A mask as one of ours: values of `KINDS`, or 1 where its kinds are not known, on the grid of its scan."""
    image: Any
    volume: Any
    try:
        image, volume = nib.load(path), nib.load(scan)
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise InputError(f"{path} cannot be read as a mask ({first_line(error)}); copy it again.") from error
    if values.shape != volume.shape[:3]:
        raise InputError(f"{path} has the shape {values.shape}, its scan {scan} {volume.shape}; copy both again.")
    ours = np.array([0, *(KINDS.index(kind) + 1 for kind in kinds)], dtype=np.uint8)
    labels = ours[values.astype(np.uint8)] if kinds else (values > 0).astype(np.uint8)
    upright: Any = nib.as_closest_canonical(nib.Nifti1Image(labels, volume.affine))
    return Mask(path, np.asanyarray(upright.dataobj), upright.affine)


def slices_of(path: Path) -> int:
    """Slices along the third axis of a volume, by its header; 0 where it cannot be read, which a prediction says."""
    try:
        image: Any = nib.load(path)
        shape = image.shape
    except Exception:  # nibabel raises errors of many kinds on damaged files
        return 0
    return int(shape[2]) if len(shape) >= 3 else 0


def _runs_up(path: Path) -> bool:
    """Whether the third axis of a volume that was predicted runs upwards."""
    image: Any = nib.load(path)
    axis, direction = nib.orientations.io_orientation(image.affine)[2]
    if axis != 2:
        raise InputError(f"The slices of {path} do not lie along the third axis of the file; give it as published.")
    return bool(direction > 0)
