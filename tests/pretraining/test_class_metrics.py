"""Metrics of classes that exclude each other."""

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from ichmonai.pretraining import ClassMetrics


def test_metrics_are_of_the_whole_epoch() -> None:
    logits = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 2, 0], [2, 0, 0]])
    labels = torch.eye(3)[[0, 1, 2, 0]]
    engine = Engine(lambda _, batch: batch)
    ClassMetrics("accuracy", nn.CrossEntropyLoss(), "val_").attach(engine, "key")
    engine.run([{"pred": logits[:3], "label": labels[:3]}, {"pred": logits[3:], "label": labels[3:]}])
    metrics = engine.state.metrics
    assert (metrics["val_accuracy"], metrics["val_majority"], metrics["key"]) == (0.75, 0.5, 0.75)
    assert metrics["val_loss"] == pytest.approx(nn.functional.cross_entropy(logits, labels.argmax(1)).item())
