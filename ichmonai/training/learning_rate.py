"""The learning rate over a training."""

import math
from typing import Any, cast

from ignite.engine import Engine, Events
from torch import nn
from torch.optim import Optimizer


def parameter_groups(network: nn.Module, decoder_learning_rate: float | None) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer: a decoder begins with random weights, and an encoder with trained ones.

    Args:
        network: what is trained; distributed or not.
        decoder_learning_rate: of the parameters of its decoder, where it has one; None: that of the others.

    Returns:
        One group of the others, and one of the decoder.
    """
    named = {name.removeprefix("module."): parameter for name, parameter in network.named_parameters()}
    decoder = [parameter for name, parameter in named.items() if name.startswith("decoder.")]
    others = [parameter for name, parameter in named.items() if not name.startswith("decoder.")]
    if not decoder or decoder_learning_rate is None:
        return [{"params": others + decoder}]
    return [{"params": others}, {"params": decoder, "lr": decoder_learning_rate}]


class CosineLearningRate:
    """Ignite handler for the trainer: the learning rate rises linearly, then falls to zero along half a cosine.

    It is a function of the iteration alone, so that a resumed training goes on as the uninterrupted one.

    Args:
        optimizer: its groups keep the rates that they are made with as their highest.
        warmup: share of the iterations in which the rate rises, 0 to below 1.

    Raises:
        ValueError: `warmup` is not a share.

    Example:
        >>> CosineLearningRate(optimizer, warmup=0.1).attach(trainer)  # doctest: +SKIP
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.1) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup is a share of the iterations from 0 to below 1, not {warmup}.")
        self.optimizer = optimizer
        self.highest = [group["lr"] for group in optimizer.param_groups]
        self.warmup = warmup

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the rate of the iteration that starts."""
        state = engine.state
        total = cast(int, state.max_epochs) * cast(int, state.epoch_length)
        share = self.share((state.iteration - 0.5) / total)
        for group, highest in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = highest * share

    def share(self, progress: float) -> float:
        """Share of the highest rate.

        Args:
            progress: share of the training that is done, 0 to 1.
        """
        if progress < self.warmup:
            return progress / self.warmup
        return (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))) / 2
