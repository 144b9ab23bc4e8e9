"""A light decoder: from the maps of an encoder to a mask."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (16, 32, 48, 80, 128)
"""Channels of the decoder from the finest of five levels to the coarsest; of fewer levels, the last ones."""


class MaskDecoder(nn.Module):
    """Logits of a mask from feature maps, in the way of a U-Net: coarse maps are enlarged and joined by the next finer.

    Each step is a 1x1 convolution that narrows what comes from below, a bilinear enlargement, the finer maps beside it
    and a 3x3 convolution with batch normalisation. For the maps of the `light` network it has 0.25 million parameters.

    Args:
        channels: of the maps, from the finest to the coarsest.
        classes: of the mask.

    Example:
        >>> maps = [torch.zeros(1, 16, 32, 32), torch.zeros(1, 24, 16, 16)]
        >>> MaskDecoder([16, 24], classes=6)(maps, 64, 64).shape
        torch.Size([1, 6, 64, 64])
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        widths = WIDTHS[-len(channels) :]
        self.bottom = _block(channels[-1], widths[-1], 1)
        self.narrowed = nn.ModuleList()
        self.joined = nn.ModuleList()
        for finer, width, below in zip(channels[-2::-1], widths[-2::-1], widths[:0:-1], strict=True):
            self.narrowed.append(_block(below, width, 1))
            self.joined.append(_block(width + finer, width, 3))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, maps: list[Tensor], height: int, width: int) -> Tensor:
        """Give the logits of a mask.

        Args:
            maps: from the finest (B, C, h, w) to the coarsest.
            height: of the mask in pixels.
            width: of the mask in pixels.

        Returns:
            (B, classes, height, width) float.
        """
        result = self.bottom(maps[-1])
        for level, (narrow, join) in enumerate(zip(self.narrowed, self.joined)):  # noqa: B905  # as in CNNBranches
            finer = maps[len(maps) - 2 - level]
            size = [finer.shape[2], finer.shape[3]]
            result = F.interpolate(narrow(result), size=size, mode="bilinear", align_corners=False)
            result = join(torch.cat([result, finer], dim=1))
        return F.interpolate(self.head(result), size=[height, width], mode="bilinear", align_corners=False)


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
