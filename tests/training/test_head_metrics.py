import math

import pytest
import torch
from ignite.engine import Engine
from monai.utils import CommonKeys

from ichmonai.evaluation.metrics import head_metrics
from ichmonai.networks import softmax_heads
from ichmonai.training import DualTaskLoss, HeadMetrics

LABELS = torch.tensor([[0, -1], [1, 0], [1, 1], [1, 2], [1, -1], [0, -1], [1, 0]])


def logits(columns=5):
    return torch.randn(len(LABELS), columns, generator=torch.Generator().manual_seed(0))


def evaluate(columns=5, batches=((0, 3), (3, 7)), key="mean_balanced_accuracy", labels=LABELS, loss=None):
    """The metrics that an engine has after an epoch of some batches."""
    outputs = [{CommonKeys.PRED: logits(columns)[a:b], CommonKeys.LABEL: labels[a:b]} for a, b in batches]
    engine = Engine(lambda _, batch: batch)
    HeadMetrics(key, loss).attach(engine, "key")
    engine.run(outputs, max_epochs=2)  # an epoch forgets the one before
    return engine.state.metrics


@pytest.mark.parametrize("columns", [5, 6])
def test_all_metrics_are_those_of_the_whole_epoch(columns):
    found = evaluate(columns, loss=DualTaskLoss(columns - 2))
    expected = head_metrics(softmax_heads(logits(columns)).numpy(), LABELS.numpy())
    assert expected == pytest.approx({name: found[name] for name in expected}, nan_ok=True)
    assert found["loss"] == pytest.approx(DualTaskLoss(columns - 2)(logits(columns), LABELS).item())
    assert found["mean_balanced_accuracy"] == pytest.approx(
        (expected["ich_balanced_accuracy"] + expected["location_balanced_accuracy"]) / 2
    )
    assert found["key"] == found["mean_balanced_accuracy"]


def test_key_chooses_the_metric_of_selection():
    found = evaluate(key="ich_auc")
    assert found["key"] == found["ich_auc"]
    assert "loss" not in found


def test_selection_where_a_class_is_absent():
    without_lobar = evaluate(labels=torch.where(LABELS == 1, torch.tensor([[1, 0]]), LABELS))
    assert math.isnan(without_lobar["location_balanced_accuracy"])
    assert without_lobar["mean_balanced_accuracy"] == pytest.approx(without_lobar["ich_balanced_accuracy"])
    normals = evaluate(labels=torch.tensor([[0, -1]] * 7))
    assert math.isnan(normals["mean_balanced_accuracy"])


def test_two_ranks_have_the_metrics_of_all_slices(on_two_ranks):
    def run():
        rank = torch.distributed.get_rank()
        a, b = ((0, 4), (4, 7))[rank]
        metric = HeadMetrics(loss_function=DualTaskLoss())
        metric.reset()
        metric.update((logits()[a:b], LABELS[a:b]))
        return metric.compute()

    expected = evaluate(loss=DualTaskLoss())
    for found in on_two_ranks(run):
        assert found == pytest.approx({name: expected[name] for name in found}, nan_ok=True)
