"""Ways to run a slice network on batches and volumes."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor

from ichmonai.errors import InputError

Precision = Literal["fp32", "bf16"]


class SliceInferer(Inferer):
    """Runs a network (B, C, H, W) -> (B, K) on a batch of slices, or on volumes slice by slice.

    Args:
        precision: `bf16` runs under autocast; logits are float32 in any case.
        batch_size: slices of a volume that go through the network at once.

    Raises:
        InputError: when `precision` is neither.
    """

    def __init__(self, precision: Precision = "fp32", batch_size: int = 16) -> None:
        super().__init__()
        if precision not in ("fp32", "bf16"):
            raise InputError(f"precision is {precision!r}; choose fp32 or bf16.")
        self.precision = precision
        self.batch_size = batch_size

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Run the network.

        Args:
            inputs: slices (B, C, H, W) or volumes (B, C, H, W, S), float.
            network: (B, C, H, W) -> logits (B, K).
            args: passed on to the network.
            kwargs: passed on to the network.

        Returns:
            float32 logits (B, K), or (B, K, S) for volumes.

        Raises:
            ValueError: the inputs have another number of dimensions.
        """
        if inputs.ndim not in (4, 5):
            raise ValueError(f"SliceInferer takes (B, C, H, W) or (B, C, H, W, S), not {tuple(inputs.shape)}.")
        if isinstance(inputs, MetaTensor):  # costs time in every operation and has no use here
            inputs = inputs.as_tensor()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            if inputs.ndim == 4:
                return network(inputs, *args, **kwargs).float()
            slices = inputs.permute(0, 4, 1, 2, 3).flatten(0, 1)
            logits = torch.cat([network(part, *args, **kwargs).float() for part in slices.split(self.batch_size)])
        return logits.unflatten(0, (inputs.shape[0], -1)).transpose(1, 2)
