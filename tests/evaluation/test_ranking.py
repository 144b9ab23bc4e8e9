import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ichmonai.evaluation import ranking
from ichmonai.evaluation.ranking import Ranking


@pytest.mark.parametrize("levels", [None, 7, 2], ids=["no ties", "ties", "two scores"])
@pytest.mark.parametrize("block", [1, 1 << 18], ids=["in blocks", "at once"])
def test_equals_scikit_learn_with_sample_weights(monkeypatch, levels, block):
    monkeypatch.setattr(ranking, "_BLOCK", block)
    generator = np.random.default_rng(0)
    patient = generator.integers(40, size=200)
    positive = generator.random(200) < 0.3
    score = generator.random(200) + 0.4 * positive
    if levels:
        score = np.round(score * levels) / levels
    weights = generator.poisson(1.0, size=(15, 40)).astype(float)
    auc, precision = Ranking(positive, score, patient)(weights)
    for row, found_auc, found_precision in zip(weights, auc, precision, strict=True):
        w = row[patient]
        assert found_auc == pytest.approx(roc_auc_score(positive, score, sample_weight=w))
        assert found_precision == pytest.approx(average_precision_score(positive, score, sample_weight=w))


def test_hand_computed():
    # Descending: 0.9 positive, 0.8 negative, 0.7 positive and negative tied, 0.1 negative.
    positive = np.array([True, False, True, False, False])
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    auc, precision = Ranking(positive, score, np.arange(5))(np.ones((1, 5)))
    assert auc[0] == pytest.approx((3 + 1.5) / 6)
    assert precision[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


def test_one_class_or_nothing_is_nan():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for positive in (np.ones(3, dtype=bool), np.zeros(3, dtype=bool), np.zeros(0, dtype=bool)):
            rank = Ranking(positive, np.linspace(0, 1, len(positive)), np.zeros(len(positive), dtype=int))
            assert np.isnan(rank(np.ones((2, 1)))[0]).all()
        both = Ranking(np.array([True, False]), np.array([1.0, 0.0]), np.array([0, 1]))
        auc, precision = both(np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_array_equal(auc, [1, np.nan, np.nan])
    np.testing.assert_array_equal(precision, [1, np.nan, 1])
