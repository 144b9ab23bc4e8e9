from collections import Counter

import numpy as np
import pytest

from ichmonai.datasets import PAPER_FACTORS, DatasetError
from ichmonai.datasets.balancing import balancing_weights, replicated_indices

LABELS = [[0, -1]] * 6 + [[1, 0]] * 3 + [[1, 1]] * 2 + [[1, 2]]
ITEMS = [{"label": np.array(label)} for label in LABELS]


def test_replication_as_in_the_paper():
    indices = replicated_indices(ITEMS)
    counts = Counter(indices.tolist())
    assert [counts[i] for i in range(12)] == [3] * 6 + [1] * 3 + [3] * 2 + [12]
    assert np.array_equal(indices, np.sort(indices))


def test_replicated_totals_of_the_published_data():
    """12,651 slices become 30,222 (Table 1 of the paper)."""
    counts = {"normal": 4407, "deep": 6093, "lobar": 1656, "subtentorial": 495}
    names = dict(zip(counts, ([0, -1], [1, 0], [1, 1], [1, 2]), strict=True))
    items = [{"label": np.array(names[name])} for name, count in counts.items() for _ in range(count)]
    assert len(replicated_indices(items, PAPER_FACTORS)) == 30_222


def test_own_factors():
    assert replicated_indices(ITEMS, {"subtentorial": 2, "normal": 0}).tolist() == [6, 7, 8, 9, 10, 11, 11]
    for factors in ({"subtentorail": 2}, {"deep": 1.5}, {"deep": -1}):
        with pytest.raises(DatasetError, match=f"replication factor {next(iter(factors))}"):
            replicated_indices(ITEMS, factors)


def test_weights_halve_normals_and_share_the_rest():
    weights = balancing_weights(ITEMS)
    assert weights.sum() == pytest.approx(1)
    assert weights[:6].sum() == pytest.approx(1 / 2)
    for part in (weights[6:9], weights[9:11], weights[11:]):
        assert part.sum() == pytest.approx(1 / 6)


def test_weights_by_patient_share_a_class_among_its_patients():
    patients = [*"aaaaab", *"ccd", *"ee", "f"]
    items = [{**item, "patient": patient} for item, patient in zip(ITEMS, patients, strict=True)]
    weights = balancing_weights(items, by_patient=True)
    assert weights.sum() == pytest.approx(1)
    by_patient = {one: sum(w for w, p in zip(weights, patients, strict=True) if p == one) for one in set(patients)}
    expected = {"a": 1 / 4, "b": 1 / 4, "c": 1 / 12, "d": 1 / 12, "e": 1 / 6, "f": 1 / 6}
    assert by_patient == pytest.approx(expected)


def test_weights_where_a_class_is_absent():
    weights = balancing_weights(ITEMS[:9])
    assert weights.sum() == pytest.approx(1)
    assert weights[:6].sum() == pytest.approx(3 / 4)
