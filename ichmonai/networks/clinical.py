"""A branch that reads clinical data, fused with the features of the image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

HIDDEN = 32
"""Width of both hidden layers."""


class ClinicalBranch(nn.Module):
    """Adds to the features of an image what clinical data says beside them.

    The data goes through a layer of its own, then through one with the image's features, and what comes out is added to
    these. Where nothing is known of a study nothing is added, and the network is that of the image alone, to the bit;
    the last layer starts at zero, so that a training starts there, too.

    In training whole rows are taken for missing, and single columns, so that the network also learns without.

    Args:
        widths: numbers of each column, which are all 0 where it is missing.
        num_features: of the image.
        row_dropout: probability that a row counts as missing in training.
        column_dropout: the same of a column.

    Example:
        >>> branch = ClinicalBranch([2, 3], 16)
        >>> branch(torch.ones(4, 16), torch.zeros(1, 5)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self, widths: Sequence[int], num_features: int, row_dropout: float = 0.5, column_dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.row_dropout, self.column_dropout = row_dropout, column_dropout
        self.columns = len(widths)
        column = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))
        self.register_buffer("column", column, persistent=False)
        self.column: Tensor
        self.read = nn.Sequential(nn.Linear(len(column), HIDDEN), nn.ReLU())
        self.look = nn.Linear(num_features, HIDDEN)
        last = nn.Linear(HIDDEN, num_features)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.fuse = nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN), nn.ReLU(), last)

    def forward(self, features: Tensor, clinical: Tensor) -> Tensor:
        """Fuse.

        Args:
            features: (B, num_features) float.
            clinical: (B, W) float, W the sum of the widths; or (1, W), of all.

        Returns:
            (B, num_features) float.
        """
        clinical = clinical.to(features.device)
        if self.training:
            rows = torch.rand(clinical.shape[0], 1, device=features.device) >= self.row_dropout
            kept = torch.rand(clinical.shape[0], self.columns, device=features.device) >= self.column_dropout
            clinical = clinical * (kept[:, self.column] & rows)
        there = (clinical != 0).any(dim=1, keepdim=True)
        data = self.read(clinical).expand(features.shape[0], -1)
        both = torch.cat([data, torch.relu(self.look(features))], dim=1)
        return features + self.fuse(both) * there
