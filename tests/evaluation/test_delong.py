import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ichmonai.evaluation.delong import compare_auc

# Albumin, total protein, K-G score and outcome (`popind`) of the 43 complete patients of DeLong, DeLong and
# Clarke-Pearson (1988), as printed in the SAS/STAT User's Guide, PROC LOGISTIC, "Comparing Receiver Operating
# Characteristic Curves", where the expected values below are from as well.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


@pytest.fixture
def ovarian():
    albumin, protein, kg, truth = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4).T
    return truth.astype(int), albumin, protein, 10 - kg


def test_published_example(ovarian):
    truth, albumin, protein, kg = ovarian
    found = compare_auc(truth, albumin, kg, np.arange(43))
    assert found.auc == pytest.approx((0.7366, 0.7258), abs=5e-5)
    assert found.standard_error == pytest.approx((0.0927, 0.1028), abs=5e-5)
    assert (found.difference, found.difference_standard_error) == pytest.approx((0.0108, 0.0953), abs=5e-5)
    assert found.interval == pytest.approx((-0.1761, 0.1976), abs=5e-5)
    assert found.z**2 == pytest.approx(0.0127, abs=5e-5)
    assert found.p_value == pytest.approx(0.9102, abs=5e-5)
    found = compare_auc(truth, protein, kg, np.arange(43))
    assert found.auc[0] == pytest.approx(0.6478, abs=5e-5)
    assert (found.difference, found.difference_standard_error) == pytest.approx((-0.0780, 0.1046), abs=5e-5)
    assert found.p_value == pytest.approx(0.4561, abs=5e-5)


def test_copies_of_a_case_within_a_patient_add_nothing(ovarian):
    truth, albumin, _, kg = ovarian
    patient = np.repeat(np.arange(43), 5)
    once = compare_auc(truth, albumin, kg, np.arange(43))
    five = compare_auc(*(np.repeat(values, 5) for values in (truth, albumin, kg)), patient)
    assert five.difference_standard_error == pytest.approx(once.difference_standard_error)
    assert five.p_value == pytest.approx(once.p_value)
    naive = compare_auc(*(np.repeat(values, 5) for values in (truth, albumin, kg)), np.arange(43 * 5))
    assert naive.difference_standard_error < 0.6 * five.difference_standard_error


def clustered(patients=300, seed=0):
    """Patients with positive and negative cases, whose scores share an effect of the patient."""
    generator = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), generator.integers(1, 8, size=patients))
    truth = (generator.random(len(patient)) < 0.4).astype(int)
    effect = generator.normal(size=patients)[patient]
    first = truth + effect + generator.normal(size=len(patient))
    second = 0.7 * truth + effect + generator.normal(size=len(patient))
    return truth, first, second, patient


def test_auc_is_scikit_learn_s_with_ties():
    truth, first, second, patient = clustered()
    first = np.round(first)
    found = compare_auc(truth, first, second, patient)
    assert found.auc == pytest.approx((roc_auc_score(truth, first), roc_auc_score(truth, second)))


def test_standard_errors_are_the_clustered_bootstrap_s():
    truth, first, second, patient = clustered()
    found = compare_auc(truth, first, second, patient)
    generator = np.random.default_rng(1)
    rows_of = [np.flatnonzero(patient == p) for p in range(300)]
    draws = []
    for _ in range(1000):
        rows = np.concatenate([rows_of[p] for p in generator.integers(300, size=300)])
        draws.append([roc_auc_score(truth[rows], first[rows]), roc_auc_score(truth[rows], second[rows])])
    one, other = np.array(draws).T
    assert found.standard_error == pytest.approx((one.std(), other.std()), rel=0.08)
    assert found.difference_standard_error == pytest.approx((one - other).std(), rel=0.08)


def test_p_values_are_uniform_where_there_is_no_difference():
    rejected = 0
    for seed in range(200):
        truth, first, _, patient = clustered(patients=60, seed=seed)
        second = first + np.random.default_rng(1000 + seed).normal(size=len(first))
        first = first + np.random.default_rng(2000 + seed).normal(size=len(first))
        rejected += compare_auc(truth, first, second, patient).p_value < 0.1
    assert 8 <= rejected <= 34  # 20 expected, standard deviation 4.2


def test_what_is_not_defined_is_nan():
    score = np.array([0.1, 0.4, 0.8])
    same = compare_auc(np.array([0, 1, 1]), score, score, np.arange(3))
    assert same.difference == 0
    assert np.isnan(same.p_value)
    for truth, patient in (([1, 1, 1], [0, 1, 2]), ([0, 1, 1], [0, 0, 0]), ([], [])):
        truth = np.array(truth, dtype=int)
        found = compare_auc(truth, score[: len(truth)], -score[: len(truth)], np.array(patient, dtype=int))
        assert np.isnan(found.p_value)
        assert np.isnan(found.difference_standard_error)
