"""Batches for a translation between two domains of which no image has a counterpart."""

import torch
from torch import Tensor
from torch.utils.data import Dataset


class UnpairedDataset(Dataset):
    """Every photograph once an epoch, each with a CT slice drawn at random by torch's generator.

    Args:
        photographs: N items with `image` (C, H, W).
        scans: items with `image` (C, H, W) of the same shape.
    """

    def __init__(self, photographs: Dataset, scans: Dataset) -> None:
        self.photographs = photographs
        self.scans = scans

    def __len__(self) -> int:
        return len(self.photographs)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Tensor:
        """Return a pair (2C, H, W): photograph, then slice."""
        drawn = int(torch.randint(len(self.scans), ()))  # type: ignore[arg-type]
        images = [self.photographs[index]["image"], self.scans[drawn]["image"]]
        return torch.cat([torch.as_tensor(image) for image in images])
