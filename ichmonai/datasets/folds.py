"""Cross-validation folds that never divide a patient."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from ichmonai.datasets.item import DatasetError, Item
from ichmonai.datasets.splits import check_no_leakage, patient_groups, rarest_class, split_by_patient


def make_folds(
    items: Sequence[Item], folds: int = 5, validation: float = 0.15, seed: int = 0
) -> list[dict[str, list[Item]]]:
    """Divide the patients into folds, stratified by their rarest class; each fold is the test split once.

    Patients who share an image stay together, as in `split_by_patient`, which also takes the validation patients out
    of what is left for training. A `split` that the items name is not looked at.

    Args:
        items: datalist with `patient`, `label` and perhaps `sha256`.
        folds: how many, 2 or more.
        validation: share of the patients outside the test split that choose the epoch and fit the calibration.
        seed: of the shuffles. The result depends on the set of patients and labels only, not on the order of the items.

    Returns:
        For each fold the items of `training`, `validation` and `test`, in the order of `items`.

    Raises:
        DatasetError: a class has fewer patients (those who share an image count as one) than there are folds, or a
            number is not in its range.

    Example:
        >>> label = np.array([0, -1])
        >>> items = [{"image": f"{k}.png", "patient": f"{k % 8}", "label": label} for k in range(16)]
        >>> [len(fold["test"]) for fold in make_folds(items, folds=4)]
        [4, 4, 4, 4]
    """
    if folds < 2 or not 0 < validation < 1:
        raise DatasetError(f"{folds} folds, validation share {validation}: give 2 or more, and between 0 and 1.")
    unsplit = [{key: value for key, value in item.items() if key != "split"} for item in items]
    group_of = patient_groups(unsplit)
    class_of = rarest_class(unsplit, group_of)
    groups = sorted(class_of)
    classes, counts = np.unique([class_of[group] for group in groups], return_counts=True)
    if counts.min() < folds:
        raise DatasetError(
            f"{counts.min()} patients of {classes[counts.argmin()]} cannot be divided into {folds} folds; choose fewer."
        )
    patients = sorted(group_of)
    of_patient = [group_of[patient] for patient in patients]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    result = []
    for _, chosen in splitter.split(patients, [class_of[group] for group in of_patient], of_patient):
        tested = {patients[k] for k in chosen}
        rest = [item for item in unsplit if item["patient"] not in tested]
        fold = split_by_patient(rest, (1 - validation, validation, 0), seed)
        fold["test"] = [item for item in unsplit if item["patient"] in tested]
        check_no_leakage(fold)
        result.append(fold)
    return result
