"""A diffusion model that fills a hole of a slice with a haemorrhage of a given kind, or with none."""

from collections.abc import Sequence
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from monai.inferers.inferer import DiffusionInferer
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from monai.networks.schedulers.ddim import DDIMScheduler
from torch import Tensor, nn

from ichmonai.classes import KINDS
from ichmonai.errors import InputError, first_line

TIMESTEPS = 1000
LEVEL_HU, HALF_WIDTH_HU = 40.0, 50.0
"""HU of 0, and those from there to -1 and 1."""


class Inpainter(nn.Module):
    """Noise of a patch, of which all but a hole is known: MONAI's diffusion U-Net, conditioned on the kind of blood.

    Args:
        patch: height and width of what it fills, in pixels; a multiple of 2 to the number of `channels` less one.
        channels: of its levels, multiples of 16; the last one has attention.
        num_res_blocks: of each level.

    Attributes:
        arguments: these, as JSON values.

    Raises:
        InputError: einops is not installed.

    Example:
        >>> network = Inpainter(16, channels=(16, 32))
        >>> context = torch.zeros(2, 3, 16, 16)
        >>> network(torch.zeros(2, 1, 16, 16), torch.tensor([5, 900]), context).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, patch: int = 64, channels: Sequence[int] = (32, 64, 96), num_res_blocks: int = 1) -> None:
        super().__init__()
        if find_spec("einops") is None:
            raise InputError("A diffusion model needs the package einops: pip install 'ichmonai[diffusion]'.")
        self.arguments: dict[str, Any] = {"patch": patch, "channels": list(channels), "num_res_blocks": num_res_blocks}
        self.unet = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=3,
            out_channels=1,
            num_res_blocks=num_res_blocks,
            channels=tuple(channels),
            attention_levels=(*[False] * (len(channels) - 1), True),
            norm_num_groups=16,
            num_head_channels=16,
            num_class_embeds=len(KINDS) + 1,
        )

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """Tell the noise.

        Args:
            x: noisy patches (B, 1, H, W).
            timesteps: (B,) or (1,).
            context: (B, 3, H, W), see `context_of`.

        Returns:
            (B, 1, H, W).
        """
        kinds = context[:, 2, 0, 0].round().long()
        return self.unet(torch.cat([x, context[:, :2]], dim=1), timesteps, class_labels=kinds)


def to_unit(hu: Tensor) -> Tensor:
    """HU as the network has them, -1 to 1."""
    return ((hu - LEVEL_HU) / HALF_WIDTH_HU).clamp(-1, 1)


def to_hu(unit: Tensor) -> Tensor:
    """HU of what the network has."""
    return unit * HALF_WIDTH_HU + LEVEL_HU


def context_of(patch: Tensor, hole: Tensor, kind: Tensor) -> Tensor:
    """What is known of patches.

    Args:
        patch: (B, 1, H, W), -1 to 1.
        hole: (B, 1, H, W), 1 where it is to be filled, else 0.
        kind: (B,) 0 for no blood, i + 1 for the kind i of `KINDS`.

    Returns:
        (B, 3, H, W): the patch without the hole, the hole, the kind.
    """
    hole = hole.to(patch)
    return torch.cat([patch * (1 - hole), hole, kind.to(patch)[:, None, None, None].expand_as(patch)], dim=1)


@torch.no_grad()
def fill(network: Inpainter, patch: Tensor, hole: Tensor, kind: Tensor, steps: int = 50, seed: int = 0) -> Tensor:
    """Fill holes, by DDIM; the rest stays as it is.

    Args:
        network: in evaluation mode.
        patch: as `context_of` has it.
        hole: as `context_of` has it.
        kind: as `context_of` has it.
        steps: of the sampling.
        seed: of the noise.

    Returns:
        (B, 1, H, W), -1 to 1.
    """
    scheduler = DDIMScheduler(num_train_timesteps=TIMESTEPS)
    scheduler.set_timesteps(steps)
    noise = torch.randn(patch.shape, generator=torch.Generator().manual_seed(seed)).to(patch)
    context = context_of(patch, hole, kind)
    sample: Any = DiffusionInferer(scheduler).sample  # typed for MONAI's network alone
    made = sample(noise, network, scheduler, conditioning=context, verbose=False)
    return torch.where(hole.bool(), made.clamp(-1, 1), patch)


def load_inpainter(path: str | PathLike[str]) -> Inpainter:
    """The network of a file that a training of `diffuse.json` wrote, in evaluation mode.

    Raises:
        InputError: there is no such file, or it is of none.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no file {path} of a diffusion model; train one with diffuse.json.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = Inpainter(**state["arguments"])
        network.load_state_dict(state["network"])
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes of torch and of constructors
        raise InputError(f"{path} holds no diffusion model ({first_line(error)}); give inpainter.pt.") from error
    return network.eval()
