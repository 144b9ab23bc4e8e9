import numpy as np
import pytest

from ichmonai.datasets import DatasetError, make_folds
from ichmonai.datasets.item import count_classes

LABELS = {"n": [0, -1], "d": [1, 0], "l": [1, 1], "s": [1, 2]}


def item(patient, number, label, **more):
    return {"image": f"{patient}_{number}.png", "patient": patient, "label": np.array(label), **more}


@pytest.fixture
def items():
    """Patients n0.. d0.. l0.. s0.. of 20, 20, 10 and 5, with three slices each; haemorrhages have a normal one too."""
    cohort = [f"{kind}{n}" for kind, count in (("n", 20), ("d", 20), ("l", 10), ("s", 5)) for n in range(count)]
    return [item(p, k, LABELS["n"] if k == 0 else LABELS[p[0]]) for p in cohort for k in range(3)]


def patients(part):
    return {i["patient"] for i in part}


def test_each_patient_is_tested_once_and_never_divided(items):
    folds = make_folds(items, 5, validation=0.2)
    tested = [patients(fold["test"]) for fold in folds]
    assert sum(map(len, tested)) == len(set.union(*tested)) == 55
    for fold in folds:
        parts = [patients(fold[name]) for name in ("training", "validation", "test")]
        assert set.union(*parts) == patients(items)
        assert sum(map(len, parts)) == 55
        assert [i["image"] for i in fold["test"]] == [i["image"] for i in items if i["patient"] in parts[2]]


def test_patients_of_each_class_are_spread_evenly(items):
    for seed in range(3):
        for fold in make_folds(items, 5, validation=0.2, seed=seed):
            assert {kind: sum(p[0] == kind for p in patients(fold["test"])) for kind in "ndls"} == {
                "n": 4,
                "d": 4,
                "l": 2,
                "s": 1,
            }
            assert all(all(count_classes(part).values()) for part in fold.values())


def test_patients_who_share_an_image_stay_together(items):
    pairs = [("n0", "n1"), ("n1", "d3"), ("l0", "l1")]
    for number, (one, other) in enumerate(pairs):
        for patient in (one, other):
            items.append(item(patient, f"shared{number}", LABELS[patient[0]], sha256=f"same{number}"))
    for fold in make_folds(items, 5):
        for part in fold.values():
            assert len(patients(part) & {"n0", "n1", "d3"}) in (0, 3)
            assert len(patients(part) & {"l0", "l1"}) in (0, 2)


def test_it_depends_on_the_seed_and_not_on_the_order_nor_on_splits_of_the_source(items):
    def tested(items, seed=0):
        return [patients(fold["test"]) for fold in make_folds(items, 5, seed=seed)]

    shuffled = np.random.default_rng(1).permutation(np.array(items, dtype=object)).tolist()
    assert tested(shuffled) == tested(items)
    assert tested([{**i, "split": "training"} for i in items]) == tested(items)
    assert tested(items, seed=1) != tested(items)


def test_numbers_that_cannot_be_are_refused(items):
    with pytest.raises(DatasetError, match="5 patients of subtentorial cannot be divided into 6 folds"):
        make_folds(items, 6)
    for folds, validation in ((1, 0.2), (5, 0.0), (5, 1.0)):
        with pytest.raises(DatasetError, match="2 or more, and between 0 and 1"):
            make_folds(items, folds, validation)
