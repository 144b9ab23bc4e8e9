import logging
import math

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from sklearn.metrics import accuracy_score, log_loss, recall_score, roc_auc_score

from ichmonai.classes import RSNA_LABELS
from ichmonai.evaluation.intervals import estimate
from ichmonai.evaluation.multilabel import multilabel_estimator, multilabel_metrics, weighted_log_loss
from ichmonai.training import MultiLabelLogLoss, MultiLabelMetrics
from ichmonai.training.multilabel_log import plot_multilabel_curves

RNG = np.random.default_rng(0)
LABELS = (RNG.random((200, 6)) < [0.4, 0.1, 0.2, 0.15, 0.1, 0.3]).astype(np.float32)
PROBABILITIES = 1 / (1 + np.exp(-RNG.normal(2 * LABELS - 1, 1.5)))
PREVALENCE = [0.3, 0.05, 0.2, 0.1, 0.1, 0.2]
WEIGHTS = np.array([2, 1, 1, 1, 1, 1])


def competition(probabilities: np.ndarray, labels: np.ndarray = LABELS) -> float:
    """The challenge's definition with scikit-learn: a row for each label, clipped at 1e-15, `any` weighing 2."""
    clipped = np.clip(np.broadcast_to(probabilities, labels.shape), 1e-15, 1 - 1e-15)
    return log_loss(labels.ravel(), clipped.ravel(), sample_weight=np.tile(WEIGHTS, len(labels)), labels=[0, 1])


def test_log_loss_is_the_challenges():
    assert weighted_log_loss(PROBABILITIES, LABELS) == pytest.approx(competition(PROBABILITIES))
    certain = np.where(np.arange(1200).reshape(200, 6) % 7 == 0, 1 - LABELS, PROBABILITIES.round())  # of 0 and 1 alone
    assert weighted_log_loss(certain, LABELS) == pytest.approx(competition(certain))
    wrong = np.zeros((1, 6)), np.ones((1, 6))
    assert weighted_log_loss(*wrong) == pytest.approx(15 * math.log(10))  # -ln 1e-15
    assert weighted_log_loss(np.full((1, 6), 1e-30), np.ones((1, 6))) == pytest.approx(15 * math.log(10))
    assert weighted_log_loss(np.zeros((1, 6)), np.zeros((1, 6))) == pytest.approx(1e-15, rel=0.2)


def test_metrics_are_scikit_learns():
    found = multilabel_metrics(PROBABILITIES, LABELS, PREVALENCE)
    called = PROBABILITIES > 0.5
    for k, name in enumerate(RSNA_LABELS):
        truth, score = LABELS[:, k], PROBABILITIES[:, k]
        assert found[f"{name}_auc"] == pytest.approx(roc_auc_score(truth, score))
        assert found[f"{name}_accuracy"] == pytest.approx(accuracy_score(truth, called[:, k]))
        assert found[f"{name}_sensitivity"] == pytest.approx(recall_score(truth, called[:, k]))
        assert found[f"{name}_log_loss"] == pytest.approx(log_loss(truth, score))
    assert found["auc"] == pytest.approx(roc_auc_score(LABELS, PROBABILITIES))
    assert found["accuracy"] == pytest.approx((called == LABELS).mean())
    assert found["log_loss"] == pytest.approx(competition(PROBABILITIES))


def test_baselines_look_at_no_image():
    found = multilabel_metrics(PROBABILITIES, LABELS, PREVALENCE)
    assert found["all_negative_log_loss"] == pytest.approx(competition(np.zeros(6)))
    assert found["all_negative_accuracy"] == pytest.approx(1 - LABELS.mean())
    assert found["prevalence_log_loss"] == pytest.approx(competition(np.array(PREVALENCE)))
    assert found["prevalence_accuracy"] == pytest.approx(1 - LABELS.mean())
    assert found["log_loss_skill"] == pytest.approx(1 - found["log_loss"] / found["prevalence_log_loss"])
    constant = multilabel_metrics(np.tile(PREVALENCE, (200, 1)), LABELS, PREVALENCE)
    assert constant["log_loss_skill"] == pytest.approx(0)
    assert constant["any_auc"] == 0.5


def test_what_is_not_defined_is_nan():
    labels = LABELS.copy()
    labels[:, 1] = 0
    found = multilabel_metrics(PROBABILITIES, labels, PREVALENCE)
    assert math.isnan(found["epidural_auc"])
    assert math.isnan(found["auc"])
    assert not math.isnan(found["log_loss"])


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (PROBABILITIES[:, :5], LABELS[:, :5], r"\(N, 6\)"),
        (PROBABILITIES, LABELS[:3], r"\(N, 6\)"),
        (np.where(np.arange(200)[:, None] == 3, np.nan, PROBABILITIES), LABELS, r"1 of 200 rows .* row 3"),
        (PROBABILITIES * 2, LABELS, r"not in 0\.\.1"),
        (PROBABILITIES, LABELS - 1, "neither 0 nor 1"),
    ],
)
def test_refuses_what_is_no_probability_or_label(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        multilabel_metrics(probabilities, labels, PREVALENCE)


def test_patients_are_resampled_whole():
    patient = np.arange(200) // 10
    estimator = multilabel_estimator(PROBABILITIES, LABELS, patient, 20, PREVALENCE)
    drawn = np.zeros((1, 20))
    drawn[0, [0, 3, 3, 7]] = [1, 2, 2, 1]
    rows = np.concatenate([np.flatnonzero(patient == p) for p in (0, 3, 3, 7)])
    expected = multilabel_metrics(PROBABILITIES[rows], LABELS[rows], PREVALENCE)
    assert {name: value[0] for name, value in estimator(drawn).items()} == pytest.approx(expected, nan_ok=True)
    found = estimate({"all": estimator}, 20, n=200)["all"]["log_loss"]
    assert found.low < found.value < found.high


def epoch(metric: MultiLabelMetrics, rows: slice = slice(None)) -> Engine:
    logits = torch.from_numpy(np.log(PROBABILITIES / (1 - PROBABILITIES)))[rows].float()
    labels = torch.from_numpy(LABELS)[rows]
    batches = [{"pred": logits[k : k + 32], "label": labels[k : k + 32]} for k in range(0, len(labels), 32)]
    engine = Engine(lambda _, batch: batch)
    metric.attach(engine, "key")
    engine.run(batches)
    return engine


def test_ignite_metric_gives_all(caplog):
    with caplog.at_level(logging.INFO):
        found = epoch(MultiLabelMetrics(PREVALENCE, loss_function=MultiLabelLogLoss(), prefix="val_")).state.metrics
    expected = multilabel_metrics(PROBABILITIES, LABELS, PREVALENCE)
    assert {name: found[f"val_{name}"] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert found["val_loss"] == pytest.approx(found["val_log_loss"], rel=1e-5)
    assert found["key"] == found["val_log_loss_skill"]
    assert "weighted log loss" not in caplog.text, "an epoch of a training has its row of the table"


def test_an_evaluation_says_the_baselines(caplog):
    with caplog.at_level(logging.INFO):
        epoch(MultiLabelMetrics(PREVALENCE, loss_function=MultiLabelLogLoss()))
    expected = multilabel_metrics(PROBABILITIES, LABELS, PREVALENCE)
    (line,) = (message for message in caplog.messages if "weighted log loss" in message)
    assert line.startswith(f"weighted log loss {expected['log_loss']:.4f} (all negative ")
    assert f"training prevalence {expected['prevalence_log_loss']:.4f}" in line
    assert f"accuracy {expected['accuracy']:.4f} (all negative {expected['all_negative_accuracy']:.4f}" in line


def test_two_ranks_give_the_metrics_of_all_slices(on_two_ranks):
    def run():
        rank = torch.distributed.get_rank()
        return epoch(MultiLabelMetrics(PREVALENCE), slice(rank, None, 2)).state.metrics

    expected = multilabel_metrics(PROBABILITIES, LABELS, PREVALENCE)
    for found in on_two_ranks(run):
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_curves_are_drawn(tmp_path):
    rows = [{"epoch": n, "train_log_loss": 1 / n, "val_log_loss": 1.2 / n, "val_any_auc": 0.5 + n / 20} for n in (1, 2)]
    plot_multilabel_curves(rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
