"""Small Ignite handlers of the trainer."""

from collections.abc import Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.handlers.tensorboard_handlers import TensorBoardHandler
from torch.optim import Optimizer

from ichmonai import ranks
from ichmonai.training.sampler import EpochSampler


class EpochSeed:
    """Makes an epoch depend on the seed and its number alone, so that a resumed run repeats the uninterrupted one.

    Args:
        sampler: told the epoch.
        seed: torch is seeded from it, the epoch and the rank (for dropout).
    """

    def __init__(self, sampler: EpochSampler, seed: int = 0) -> None:
        self.sampler = sampler
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed at the start of an epoch."""
        rank = ranks.rank()
        self.sampler.set_epoch(engine.state.epoch)
        torch.manual_seed(self.seed + 1_000_003 * engine.state.epoch + rank)


class ClipGradient:
    """Clips the gradient norm before each optimizer step, after accumulation.

    Args:
        optimizer: its parameters are clipped.
        max_norm: largest L2 norm; 0 leaves gradients as they are.
    """

    def __init__(self, optimizer: Optimizer, max_norm: float) -> None:
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.optimizer = optimizer
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Register with the optimizer, which alone knows when the accumulated gradient is complete."""
        if self.max_norm > 0:
            self.optimizer.register_step_pre_hook(lambda *_: self._clip())

    def _clip(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)


def run_trainer(trainer: Engine, handlers: Iterable[Any]) -> None:
    """Run a trainer, and close TensorBoard's files however it ends: each has a thread, which would go on for ever.

    Args:
        trainer: MONAI's, which knows its data and epochs.
        handlers: its own and the validator's; those that write no such file are left alone.
    """
    try:
        trainer.run()
    finally:
        for handler in handlers:
            if isinstance(handler, TensorBoardHandler):
                handler.close()
