"""The published definitions give the published numbers."""

import numpy as np
import pytest

from scripts.papers.reproduction import paper
from scripts.papers.reproduction.published_metrics import published_estimator, published_task1, published_task2


def test_table_3_task_1_takes_normal_for_positive() -> None:
    """Of the stated 459 normal and 807 haemorrhage slices, four haemorrhages were called normal."""
    found = published_task1(np.array([[[459, 0], [4, 803]]]))
    printed = paper.TABLE3[False]["task1"]
    for metric, value in zip(paper.METRICS, printed, strict=True):
        assert np.floor(found[f"task1_{metric}"][0] * 1000) / 1000 == pytest.approx(value), metric  # cut, not rounded


@pytest.mark.parametrize(
    ("network", "matrix"),
    [
        ("dtvit", [[585, 0, 3], [1, 150, 0], [1, 0, 54]]),
        ("resnet18", [[591, 0, 1], [8, 150, 0], [4, 0, 43]]),
        ("alexnet", [[590, 0, 0], [10, 150, 1], [4, 0, 42]]),
    ],
)
def test_table_4_task_2_is_of_deep(network: str, matrix: list[list[int]]) -> None:
    """Whole numbers of slices can be found that give all five printed numbers at once, if nothing is counted kindly."""
    counts = np.array([matrix])
    found = published_task2(counts)
    accuracy, *others = paper.TABLE4[network]["task2"]
    for metric, value in zip(paper.METRICS[1:], others, strict=True):
        assert found[f"task2_{metric}"][0] == pytest.approx(value, abs=5.1e-5), metric
    assert np.trace(counts[0]) / counts.sum() == pytest.approx(accuracy, abs=5.1e-5)


def test_deep_called_lobar_counts_as_right_in_the_published_accuracy() -> None:
    found = published_task2(np.array([[[5, 2, 1], [0, 1, 0], [0, 1, 0]]]))
    assert found["task2_accuracy"][0] == pytest.approx((5 + 1 + 2) / 10)


def test_estimator_counts_slices_by_weight_and_leaves_normal_ones_out_of_task_2() -> None:
    probabilities = np.array([[0.9, 0.1, 1, 0, 0], [0.2, 0.8, 1, 0, 0], [0.6, 0.4, 0, 1, 0], [0.1, 0.9, 0, 0, 1]])
    labels = np.array([[0, -1], [1, 0], [1, 1], [0, -1]])
    found = published_estimator(probabilities, labels, np.array([0, 1, 1, 2]), 3)(np.array([[1.0, 1, 1], [1, 2, 0]]))
    np.testing.assert_allclose(found["task1_accuracy"], [1 / 2, 3 / 5])
    np.testing.assert_allclose(found["task1_specificity"], [1 / 2, 1 / 2])
    np.testing.assert_allclose(found["task1_precision"], [1 / 2, 1 / 3])
    np.testing.assert_allclose(found["task2_accuracy"], [1, 1])
    np.testing.assert_allclose(found["task2_specificity"], [1, 1])
