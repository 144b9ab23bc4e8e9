"""Ways to run a slice network on batches and volumes."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from ichmonai.errors import InputError

Precision = Literal["fp32", "bf16"]


class SliceInferer:
    """Runs a network (B, C, H, W) -> (B, K) on a batch of slices, or on volumes slice by slice.

    A network may give the logits of a mask (B, C', H, W) beside its own; the result is a pair then. It is called as
    one of MONAI's inferers, and is none by class, because their module brings all of MONAI's networks with it.

    Args:
        precision: `bf16` runs under autocast; logits are float32 in any case.
        batch_size: slices of a volume that go through the network at once.

    Raises:
        InputError: when `precision` is neither.
    """

    def __init__(self, precision: Precision = "fp32", batch_size: int = 16) -> None:
        if precision not in ("fp32", "bf16"):
            raise InputError(f"precision is {precision!r}; choose fp32 or bf16.")
        self.precision = precision
        self.batch_size = batch_size

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run the network.

        Args:
            inputs: slices (B, C, H, W) or volumes (B, C, H, W, S), float.
            network: (B, C, H, W) -> logits (B, K), or these and those of a mask (B, C', H, W).
            args: passed on to the network.
            kwargs: passed on to the network.

        Returns:
            float32 logits (B, K), or (B, K, S) for volumes; where there is a mask a tuple of these and its logits (B,
            C', H, W) or (B, C', H, W, S).

        Raises:
            ValueError: the inputs have another number of dimensions.
        """
        if inputs.ndim not in (4, 5):
            raise ValueError(f"SliceInferer takes (B, C, H, W) or (B, C, H, W, S), not {tuple(inputs.shape)}.")
        if isinstance(inputs, MetaTensor):  # costs time in every operation and has no use here
            inputs = inputs.as_tensor()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            if inputs.ndim == 4:
                return _each(network(inputs, *args, **kwargs), Tensor.float)
            slices = inputs.permute(0, 4, 1, 2, 3).flatten(0, 1)
            parts = [network(part, *args, **kwargs) for part in slices.split(self.batch_size)]
        if isinstance(parts[0], Tensor):
            return _of_volumes(parts, len(inputs))
        return tuple(_of_volumes(part, len(inputs)) for part in zip(*parts, strict=True))


def _each(outputs: Tensor | tuple[Tensor, ...], function: Callable[[Tensor], Tensor]) -> Tensor | tuple[Tensor, ...]:
    return function(outputs) if isinstance(outputs, Tensor) else tuple(map(function, outputs))


def _of_volumes(parts: Sequence[Tensor], volumes: int) -> Tensor:
    """(B, K, ..., S) of what was found slice by slice."""
    return torch.cat([part.float() for part in parts]).unflatten(0, (volumes, -1)).movedim(1, -1)
