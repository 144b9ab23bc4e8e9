import numpy as np
import pytest
from sklearn.metrics import roc_curve

from ichmonai.evaluation.operating import in_sample_reading, net_benefit, operating_estimator, predictive_values


def test_predictive_values_by_hand():
    ppv, npv = predictive_values(np.array([0.9, 0.0, 1.0]), np.array([0.8, 1.0, 0.0]), 0.1)
    np.testing.assert_allclose(ppv, [0.09 / (0.09 + 0.18), np.nan, 0.1])
    np.testing.assert_allclose(npv, [0.72 / (0.72 + 0.01), 0.9, np.nan])


def test_at_the_sample_s_own_prevalence_they_are_the_sample_s():
    truth = np.array([1] * 3 + [0] * 7)
    score = np.array([0.9, 0.7, 0.2, 0.8, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = operating_estimator(truth, score, np.arange(10), 10, 0.65)(np.ones((1, 10)))
    assert found["sensitivity"][0] == pytest.approx(2 / 3)
    assert found["specificity"][0] == pytest.approx(6 / 7)
    assert [found["ppv"][0], found["ppv_at_30"][0]] == pytest.approx([2 / 3, 2 / 3])
    assert [found["npv"][0], found["npv_at_30"][0]] == pytest.approx([6 / 7, 6 / 7])
    assert found["ppv_at_5"][0] < found["ppv_at_10"][0] < found["ppv_at_15"][0] < found["ppv_at_30"][0]


def test_in_sample_reading_is_the_roc_curve_s():
    generator = np.random.default_rng(0)
    truth = generator.integers(2, size=300)
    score = (generator.random(300) + 0.5 * truth).round(2)
    false_positive, true_positive, _ = roc_curve(truth, score, drop_intermediate=False)
    found = in_sample_reading(truth, score)
    assert found["sensitivity_at_specificity_90"] == pytest.approx(true_positive[false_positive <= 0.1].max())
    assert found["specificity_at_sensitivity_95"] == pytest.approx(1 - false_positive[true_positive >= 0.95].min())
    assert len(found) == 4


@pytest.mark.parametrize("truth", [[1, 1], [0, 0], []])
def test_in_sample_reading_needs_both_classes(truth):
    found = in_sample_reading(np.array(truth, dtype=int), np.array([0.1, 0.7][: len(truth)]))
    assert np.isnan([*found.values()]).all()


def test_net_benefit_by_hand():
    truth, score = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.3, 0.8, 0.2, 0.1])
    found = net_benefit(truth, score, np.array([0.25, 0.5]))
    np.testing.assert_allclose(found["model"], [2 / 5 - 1 / 5 / 3, 1 / 5 - 1 / 5])
    np.testing.assert_allclose(found["treat_all"], [2 / 5 - 3 / 5 / 3, 2 / 5 - 3 / 5])
