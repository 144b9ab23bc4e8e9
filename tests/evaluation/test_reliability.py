import warnings

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from ichmonai.evaluation.intervals import resample
from ichmonai.evaluation.reliability import (
    equal_mass_bins,
    location_reliability_estimator,
    reliability_curve,
    reliability_estimator,
    top_label,
)


def sample(n=600, seed=0, slope=0.6, shift=-0.4):
    """Overconfident probabilities: logit(P) = shift + slope * logit(p)."""
    generator = np.random.default_rng(seed)
    x = generator.normal(scale=1.5, size=n)
    return (generator.random(n) < expit(shift + slope * x)).astype(int), expit(x)


def of(truth, score):
    found = reliability_estimator(truth, score, np.arange(len(truth)), len(truth))(np.ones((1, len(truth))))
    return {name: float(value[0]) for name, value in found.items()}


def test_equals_scikit_learn():
    truth, score = sample(n=200)  # fewer than the support of the recalibration, which is then exact
    found = of(truth, score)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(score)[:, None], truth)
    assert found["brier"] == pytest.approx(brier_score_loss(truth, score))
    assert found["log_loss"] == pytest.approx(log_loss(truth, score))
    assert found["calibration_slope"] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    adjusted = expit(logit(score) + found["calibration_intercept"])
    assert adjusted.sum() == pytest.approx(truth.sum()), "the score equation of an intercept with slope fixed to 1"


def test_recalibration_of_large_samples_is_close():
    truth, score = sample(n=20_000)
    fitted = LogisticRegression(C=np.inf).fit(logit(score)[:, None], truth)
    assert of(truth, score)["calibration_slope"] == pytest.approx(fitted.coef_[0, 0], abs=2e-3)


def test_perfect_calibration():
    truth, score = sample(n=50_000, slope=1, shift=0)
    found = of(truth, score)
    assert found["calibration_slope"] == pytest.approx(1, abs=0.04)
    assert found["calibration_intercept"] == pytest.approx(0, abs=0.04)
    assert found["ece"] < 0.01


def test_ece_by_hand():
    # Ten different values, so each is a bin: |p - frequency| of each, weighted by its cases.
    truth = np.array([0, 0, 1, 1, 1])
    score = np.array([0.2, 0.2, 0.2, 0.9, 0.9])
    assert of(truth, score)["ece"] == pytest.approx(3 / 5 * abs(0.2 - 1 / 3) + 2 / 5 * 0.1)


def test_bins_are_those_of_scikit_learn():
    truth, score = sample(n=1000)
    mean, frequency, size = reliability_curve(truth, score)
    expected_frequency, expected_mean = calibration_curve(truth, score, n_bins=10, strategy="quantile")
    assert size.tolist() == [100] * 10
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9)
    np.testing.assert_allclose(frequency, expected_frequency, rtol=1e-9)


def test_equal_values_share_a_bin():
    values = np.r_[np.zeros(50), np.linspace(0.1, 1, 50)]
    bins = equal_mass_bins(values)
    assert len(set(bins[:50])) == 1
    assert sorted(set(bins)) == list(range(bins.max() + 1))
    assert (np.diff(bins) >= 0).all()


def test_resamples_equal_the_loop():
    truth, score = sample(n=120)
    patient = np.arange(120) // 4
    found = resample(reliability_estimator(truth, score, patient, 30), 30, 20)
    weights = resample(lambda w: {str(p): w[:, p] for p in range(30)}, 30, 20)
    for draw in range(20):
        w = np.array([weights[str(p)][draw] for p in patient])
        fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(score)[:, None], truth, w)
        assert found["calibration_slope"][draw] == pytest.approx(fitted.coef_[0, 0], abs=1e-3)
        assert found["brier"][draw] == pytest.approx(brier_score_loss(truth, score, sample_weight=w))


@pytest.mark.parametrize("truth", [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], ids=["separated", "positive", "negative"])
def test_recalibration_without_a_finite_answer_is_nan(truth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = of(np.array(truth), np.array([0.1, 0.3, 0.6, 0.8]))
    assert np.isnan(found["calibration_slope"])
    assert np.isnan(found["calibration_intercept"]) == (len(set(truth)) == 1)
    assert found["brier"] == pytest.approx(np.mean((np.array(truth) - [0.1, 0.3, 0.6, 0.8]) ** 2))


def test_nothing_is_nan():
    assert all(np.isnan(value) for value in of(np.zeros(0, dtype=int), np.zeros(0)).values())


def test_location():
    truth = np.array([0, 1, 2])
    p = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    found = location_reliability_estimator(truth, p, np.arange(3), 3)(np.ones((1, 3)))
    assert found["brier"][0] == pytest.approx((0.06 + (0.36 + 0.49 + 0.01) + (0.04 + 0.04 + 0.16)) / 3)
    assert found["log_loss"][0] == pytest.approx(log_loss(truth, p))
    assert found["ece"][0] == pytest.approx((0.2 + 2 * abs(0.6 - 0.5)) / 3)  # the two at 0.6 share a bin
    correct, confidence = top_label(truth, p)
    assert correct.tolist() == [1, 0, 1]
    assert confidence.tolist() == [0.8, 0.6, 0.6]
