"""CQ500: 491 head CT read by three radiologists (Chilamkurthy et al. 2018)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from ichmonai.benchmarks.cells import labelled, zero_or_one
from ichmonai.benchmarks.public_set import Labels, PublicSet, Truth, named
from ichmonai.errors import InputError, printable
from ichmonai.evaluation.tables import Table

LABELS_NAME = "reads.csv"
_DOWNLOAD = "CQ500 (http://headctstudy.qure.ai/dataset)"
_COLUMNS = ("ICH", "EDH", "IPH", "IVH", "SAH", "SDH")
"""What a reader looked for, in the order of `RSNA_LABELS`."""
_READERS = (1, 2, 3)
_NAME = re.compile(r"CQ500-?CT-?(\d{1,6})")
_FOLDER = re.compile(r"CQ500-?CT-?(\d{1,6})([ _]CQ500-?CT-?\1)?(\.zip)?", re.IGNORECASE)


@dataclass(frozen=True)
class CQ500(PublicSet):
    """CQ500, whose truth is of studies.

    Attributes:
        folders: folder or archive of each patient, as a prediction names it -> the patient.
    """

    folders: Mapping[str, str] = field(default_factory=dict)

    def of_slices(self, slices: Table) -> None:
        """Slices have no truth."""

    def of_studies(self, studies: Table, slices: Table | None) -> Truth:
        """As `PublicSet.of_studies`."""
        patients = map(self._patient, studies.columns["path"].tolist())
        return Truth.of_rows(None if one is None else (one, self.studies[one]) for one in patients)

    def missing(self, studies: Table) -> list[str]:
        """As `PublicSet.missing`."""
        return sorted(self.studies.keys() - set(map(self._patient, studies.columns["path"].tolist())))

    def _patient(self, path: str) -> str | None:
        return next(
            (self.folders[str(one)] for one in (Path(path), *Path(path).parents) if str(one) in self.folders), None
        )


def read_cq500(folder: str | PathLike, keep: str | PathLike | None = None) -> PublicSet:
    """Read CQ500: `reads.csv`, and `CQ500CT0 CQ500CT0/Unknown Study/<series>/*.dcm` or `CQ500-CT-0.zip`.

    The folders of the patients may be one level further down. What two of three readers say is the truth. A prediction
    takes the series that suits best.

    Args:
        folder: of the set.
        keep: not used.

    Raises:
        InputError: labels or all scans are missing, or a cell is wrong.
    """
    root = Path(folder).absolute()
    columns = [f"R{reader}:{name}" for name in _COLUMNS for reader in _READERS]
    table = labelled(root / LABELS_NAME, ("name", *columns), _DOWNLOAD)
    labels = _majority(table)
    found = dict(_patients(root))
    missing = [name for name in labels if name not in found]
    if len(missing) == len(labels):
        raise InputError(
            f"No patient of {LABELS_NAME} has a folder CQ500CT0 CQ500CT0 or so in {root}; give {_DOWNLOAD}."
        )
    notes = []
    if missing:
        notes.append(f"{len(missing)} of {len(labels)} patients are missing from {root}: {named(missing)}.")
    undecided = [name for name in labels if name in found and labels[name][0] < 0]
    if undecided:
        notes.append(f"{len(undecided)} patients have no majority of readers and are in no number: {named(undecided)}.")
    inputs = {name: found[name] for name in labels if name in found}
    return CQ500(
        "cq500",
        tuple(inputs.values()),
        {name: labels[name] for name in inputs},
        tuple(notes),
        {printable(str(path)): name for name, path in inputs.items()},
    )


def _majority(table: Table) -> dict[str, Labels]:
    """Patient -> labels (6,): what two readers say, -1 where no two say the same."""
    names = [_NAME.fullmatch(name) for name in table.columns["name"].tolist()]
    for row, name in enumerate(names):
        if name is None:
            raise InputError(f"{table.line(row)}: name is '{table.columns['name'][row]}'; give CQ500-CT-0 or so.")
    votes = [[zero_or_one(table, f"R{reader}:{name}", empty=True) for reader in _READERS] for name in _COLUMNS]
    read = np.array(votes)  # (labels, readers, patients)
    labels = np.where((read == 1).sum(axis=1) > 1, 1, np.where((read == 0).sum(axis=1) > 1, 0, -1)).T
    found: dict[str, Labels] = {}
    for row, (name, one) in enumerate(zip(names, labels, strict=True)):
        patient = f"CQ500-CT-{int(name[1])}"  # type: ignore[index]
        if patient in found:
            raise InputError(f"{table.line(row)}: {patient} stands twice; keep one of its rows.")
        found[patient] = one
    return found


def _patients(root: Path) -> Iterator[tuple[str, Path]]:
    """Each patient with its folder or archive; folders last, so that they win."""
    try:
        near = sorted(root.iterdir())
        below = [one for path in near if path.is_dir() and not _FOLDER.fullmatch(path.name) for one in path.iterdir()]
    except OSError as error:
        raise InputError(f"{root} cannot be listed ({error.strerror}); check its permissions.") from error
    for path in sorted((*near, *below), key=lambda path: (path.is_dir(), path)):
        name = _FOLDER.fullmatch(path.name)
        if name and path.is_dir() != bool(name[3]):
            yield f"CQ500-CT-{int(name[1])}", path
