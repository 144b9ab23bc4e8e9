"""CT-ICH: 75 CT of head trauma with slices labelled and blood marked (Hssayeni et al. 2020, PhysioNet 1.3.1)."""

from collections import defaultdict
from os import PathLike
from pathlib import Path

import numpy as np

from ichmonai.benchmarks.cells import labelled, whole, zero_or_one
from ichmonai.benchmarks.public_set import Labels, PublicSet, named
from ichmonai.benchmarks.volumes import VolumeTruth, mask_values, slices_of, volume_set
from ichmonai.classes import RSNA_LABELS
from ichmonai.errors import InputError
from ichmonai.evaluation.tables import Table, refuse_duplicates

LABELS_NAME = "hemorrhage_diagnosis_raw_ct.csv"
_DOWNLOAD = "CT-ICH 1.3.1 (https://physionet.org/content/ct-ich/1.3.1/)"
_KEY = ("PatientNumber", "SliceNumber")
_COLUMNS = {
    "No_Hemorrhage": "any",
    "Epidural": "epidural",
    "Intraparenchymal": "intraparenchymal",
    "Intraventricular": "intraventricular",
    "Subarachnoid": "subarachnoid",
    "Subdural": "subdural",
}


def read_ct_ich(folder: str | PathLike, keep: str | PathLike | None = None) -> PublicSet:
    """Read CT-ICH: `ct_scans/049.nii` and so on, `masks/` of the same names, `hemorrhage_diagnosis_raw_ct.csv`.

    SliceNumber counts from 1 along the third axis of a file, as the set's own split_raw_data.py has it. Where there are
    masks this is checked: a slice with blood in its mask must be labelled.

    Args:
        folder: of the set.
        keep: not used.

    Raises:
        InputError: labels or all scans are missing, a cell is wrong, or masks and labels fit better when one of them is
            counted from the other end.
    """
    root = Path(folder).absolute()
    table = labelled(root / LABELS_NAME, (*_KEY, *_COLUMNS), _DOWNLOAD)
    by_number, notes = _labels(table)
    scans = {number: root / "ct_scans" / f"{number:03d}.nii" for number in by_number}
    missing = [path.name for path in scans.values() if not path.is_file()]
    if len(missing) == len(scans):
        raise InputError(f"None of the scans that {LABELS_NAME} labels is in {root / 'ct_scans'}; give {_DOWNLOAD}.")
    if missing:
        notes.append(f"{len(missing)} of {len(scans)} scans are missing from {root / 'ct_scans'}: {named(missing)}.")
    volumes = {}
    for number, path in scans.items():
        if path.is_file():
            mask = root / "masks" / path.name
            slices = slices_of(path)
            labels = _of_volume(path, by_number[number], slices)
            volumes[path] = VolumeTruth(f"{number:03d}", labels, mask if slices and mask.is_file() else None)
    notes += _check_order(volumes)
    return volume_set("ct-ich", volumes, notes)


def _labels(table: Table) -> tuple[dict[int, dict[int, Labels]], list[str]]:
    """Patient -> SliceNumber -> labels (6,), and what is odd about them."""
    patients, slices = whole(table, "PatientNumber", 0), whole(table, "SliceNumber", 1)
    refuse_duplicates(table, _KEY)
    values = {label: zero_or_one(table, name) for name, label in _COLUMNS.items()}
    kinds = np.stack([values[label] for label in RSNA_LABELS[1:]], axis=1)
    any_kind = kinds.max(axis=1)
    haemorrhage = np.maximum(1 - values["any"], any_kind)
    notes = []
    odd = np.flatnonzero(values["any"] == any_kind)  # No_Hemorrhage is the opposite of any kind
    if odd.size:
        notes.append(
            f"{odd.size} rows of {table.name} contradict themselves, the first in line {table.line_number(int(odd[0]))}"
            ": No_Hemorrhage is not the opposite of the kinds; they count as haemorrhage."
        )
    found: dict[int, dict[int, Labels]] = defaultdict(dict)
    for k, (patient, number) in enumerate(zip(patients.tolist(), slices.tolist(), strict=True)):
        found[patient][number] = np.array([haemorrhage[k], *kinds[k]])
    return dict(found), notes


def _of_volume(path: Path, by_slice: dict[int, Labels], slices: int) -> Labels:
    """Labels (S, 6) of all slices of a volume; where the volume cannot be read, of those that are labelled."""
    if slices and max(by_slice) > slices:
        raise InputError(
            f"{LABELS_NAME} labels slice {max(by_slice)} of {path.name}, which has {slices}; look whether both are of "
            "one download."
        )
    labels = np.full((slices or max(by_slice), len(RSNA_LABELS)), -1)
    for number, one in by_slice.items():
        labels[number - 1] = one
    return labels


def _check_order(volumes: dict[Path, VolumeTruth]) -> list[str]:
    """Compare masks with labels: what to tell of them.

    Raises:
        InputError: they fit better when one of them is counted from the other end.
    """
    unlabelled: dict[str, int] = {}
    as_counted = from_the_end = 0
    for path, one in volumes.items():
        if one.mask is None:
            continue
        marked = np.array([bool(values) for values in mask_values(one.mask, 255)])
        if len(marked) != len(one.labels):
            raise InputError(
                f"{one.mask} has {len(marked)} slices, but {path.name} of ct_scans {len(one.labels)}; look whether "
                "both are of one download."
            )
        negative = one.labels[:, 0] == 0
        if wrong := int((marked & negative).sum()):
            unlabelled[one.patient] = wrong
        as_counted += wrong
        from_the_end += int((marked & negative[::-1]).sum())
    if as_counted > from_the_end:
        raise InputError(
            f"The slices of {LABELS_NAME} seem to be counted from the other end: {as_counted} slices with blood in "
            f"their mask are labelled as without, but only {from_the_end} when counted so; give both as published."
        )
    without = sum(one.mask is None for one in volumes.values())
    notes = (
        [f"{without} scans have no mask or cannot be read, so that the order of their slices was not checked."]
        if without
        else []
    )
    if unlabelled:
        notes.append(
            f"{as_counted} slices of {len(unlabelled)} patients have blood in their mask and are labelled as without, "
            f"which is left as it is: patients {named(unlabelled)}."
        )
    return notes
