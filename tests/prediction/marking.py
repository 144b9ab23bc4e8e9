"""A network whose mask is known: it marks what is brighter than brain."""

import torch
from torch import Tensor, nn

from ichmonai.classes import KINDS

BRAIN, BLOOD = 30.0, 62.0
"""HU that it takes for brain and for blood; it draws the line in the middle."""
KIND = KINDS.index("subdural")


class Marking(nn.Module):
    """Logits of 0.5 for all classes but ICH, and a mask of the brighter half between brain and blood, all subdural."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 10) and those of a mask (B, 6, H, W)."""
        hu = (image[:, :1] * 0.502 + 0.498) * 80  # of the first window
        odds = (hu - (BRAIN + BLOOD) / 2) / 4
        kinds = torch.full((len(hu), len(KINDS), *hu.shape[2:]), -50.0)
        kinds[:, KIND] = odds[:, 0]
        logits = torch.zeros(len(hu), 10)
        share = (odds > 0).float().mean((1, 2, 3))
        logits[:, 1] = 20 * share.clamp(max=0.5) + 4 * (share > 0.001) - 2
        return logits, torch.cat([torch.zeros_like(hu), kinds], dim=1)
