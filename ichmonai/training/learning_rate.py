"""The learning rate over a training, and what is not trained."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import timm.utils
from ignite.engine import Engine, Events
from torch import nn
from torch.optim import Optimizer

from ichmonai.errors import InputError

M = TypeVar("M", bound=nn.Module)


def parameter_groups(network: nn.Module, decoder_learning_rate: float | None) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer: a decoder begins with random weights, and an encoder with trained ones.

    A branch for clinical data counts as a decoder: it begins with random weights, too.

    Args:
        network: what is trained; distributed or not.
        decoder_learning_rate: of the parameters of its decoder, where it has one; None: that of the others.

    Returns:
        One group of the others, and one of the decoder.
    """
    named = {name.removeprefix("module."): parameter for name, parameter in network.named_parameters()}
    new = ("decoder.", "clinical.")
    decoder = [parameter for name, parameter in named.items() if name.startswith(new)]
    others = [parameter for name, parameter in named.items() if not name.startswith(new)]
    if not decoder or decoder_learning_rate is None:
        return [{"params": others + decoder}]
    return [{"params": others}, {"params": decoder, "lr": decoder_learning_rate}]


def freeze(network: M, names: Sequence[str]) -> M:
    """Keep parts of a network as they are while the rest is trained, the statistics of batch normalisation included.

    Args:
        network: changed in place.
        names: of its parts, as `network.named_modules()` has them, e.g. `encoder` or `heads.heads.ich`; none: nothing
            is frozen.

    Returns:
        The same network.

    Raises:
        InputError: it has no such part.
    """
    parts = dict(network.named_modules())
    for name in names:
        if name not in parts:
            upper = [part for part in parts if part and part.count(".") < 3]
            raise InputError(f"The network has no part {name!r} to freeze; it has {', '.join(upper)}.")
        for module in parts[name].modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.register_forward_pre_hook(_keep_statistics)
    if names:  # timm's own frozen batch normalisation computes in several steps what PyTorch's does in one
        timm.utils.freeze(network, list(names), include_bn_running_stats=False)
    return network


def _keep_statistics(module: nn.Module, _: object) -> None:
    module.training = False


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
