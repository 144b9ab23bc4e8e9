"""A training of seconds with the handlers of the bundle's train.json."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import ValidationHandler
from monai.transforms import Compose, EnsureTyped, RandGaussianNoised
from torch import nn

from ichmonai.datasets import SliceDataset
from ichmonai.model_description import ModelDescription
from ichmonai.prediction import SliceInferer
from ichmonai.training import (
    Checkpoints,
    ClipGradient,
    DualTaskLoss,
    EpochLog,
    EpochSampler,
    EpochSeed,
    HeadMetrics,
    ShardSampler,
)


class KilledError(Exception):
    """Stands for a kill."""


def slices(count: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    labels = [([0, -1], [1, 0], [1, 1], [1, 2])[k % 4] for k in range(count)]
    return [
        {"image": rng.normal(sum(label), 2, (1, 6, 6)).astype(np.float32), "label": np.array(label)} for label in labels
    ]


def tiny_trainer(
    directory: Path,
    max_epochs: int = 4,
    resume: bool = False,
    kill_at: int = 0,
    width: int = 16,
    training_slices: int = 20,
    key: str = "mean_balanced_accuracy",
    patience: int = 0,
    learning_rate: float = 0.01,
    interval: int = 1,
) -> SupervisedTrainer:
    """A trainer of a small network with dropout, ready to run; `kill_at` is the iteration at which it breaks down."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 5))
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    training, validation = slices(training_slices, 1), slices(12, 2)
    chain = [EnsureTyped("image", track_meta=False), RandGaussianNoised("image", prob=0.9, std=0.5)]
    sampler = EpochSampler(training, balance="none", seed=5)
    metric = HeadMetrics(key, DualTaskLoss(), "val_")
    validation_set = SliceDataset(validation, Compose(chain[:1]))
    validator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(validation_set, sampler=ShardSampler(validation_set), batch_size=5),
        network=network,
        inferer=SliceInferer(),
        key_val_metric={"key_metric": metric},
        decollate=False,
    )
    checkpoints = Checkpoints(
        directory, network, ModelDescription({"name": "tiny"}, ()), optimizer, validator, f"val_{key}", patience, resume
    )
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=max_epochs,
        train_data_loader=DataLoader(SliceDataset(training, Compose(chain)), sampler=sampler, batch_size=4),
        network=network,
        optimizer=optimizer,
        loss_function=DualTaskLoss(),
        inferer=SliceInferer(),
        key_train_metric={"key_metric": HeadMetrics(key, DualTaskLoss(), "train_")},
        train_handlers=[
            EpochSeed(sampler, 5),
            ClipGradient(optimizer, 1.0),
            ValidationHandler(interval, validator),
            checkpoints,
            EpochLog(directory, validator, metric),
        ],
        decollate=False,
    )
    trainer.checkpoints = checkpoints

    def kill() -> None:
        raise KilledError

    if kill_at:
        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=kill_at), kill)
    return trainer
