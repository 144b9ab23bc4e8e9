"""The dual-task loss of DTViT."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ichmonai.classes import ICH_CLASSES, LOCATIONS, NOT_APPLICABLE
from ichmonai.errors import InputError
from ichmonai.ranks import is_distributed


class DualTaskLoss(nn.Module):
    """Cross entropy of the haemorrhage head plus cross entropy of the location head (Fan et al. 2024, eq. 5).

    With three location classes, slices without haemorrhage are left out of loss 2: they have no location. With four, as
    in the published code, they count as the fourth class. A slice with haemorrhage whose location is unknown (-1) is
    left out of loss 2 in both.

    Each loss is a mean over its labelled slices; under `torch.distributed`, for logits that require gradients, over
    the labelled slices of *all* ranks. `DistributedDataParallel` averages the ranks' gradients, which is the gradient
    of the joint batch only if every rank divides by the same count, and ranks hold different numbers of haemorrhages.
    So each rank divides its sum by the joint count (one all_reduce) and multiplies by the number of ranks, which the
    averaging takes back. The mean of the ranks' losses is then the joint loss. Without gradients (validation, where
    ranks may have different numbers of batches and an all_reduce would hang) it is the rank's own mean.

    Args:
        location_classes: 3 or 4.
        location_weight: weight of loss 2; the paper's is 1.
        label_smoothing: of both losses, 0..1.

    Raises:
        InputError: `location_classes` is not 3 or 4.

    Example:
        >>> loss = DualTaskLoss()
        >>> loss(torch.zeros(2, 5), torch.tensor([[0, -1], [1, 2]])).item()  # ln 2 + ln 3
        1.791...
    """

    def __init__(
        self, location_classes: int = len(LOCATIONS), location_weight: float = 1.0, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        if location_classes not in (len(LOCATIONS), len(LOCATIONS) + 1):
            raise InputError(f"DualTaskLoss has 3 location classes, or 4 with 'normal', not {location_classes}.")
        self.location_classes = location_classes
        self.location_weight = location_weight
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the loss to minimise.

        Args:
            logits: (B, 2 + location_classes) float; computed in float32 whatever their dtype.
            labels: (B, 2) int64: ich 0 or 1; location 0 deep, 1 lobar, 2 subtentorial, -1 not applicable.

        Returns:
            loss 1 + location_weight * loss 2, a float32 scalar.

        Raises:
            ValueError: the shapes do not fit.
        """
        ich, location = self.parts(logits, labels)
        return ich + self.location_weight * location

    def parts(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Give loss 1 (haemorrhage) and loss 2 (location, unweighted) apart, e.g. to log them.

        Args:
            logits: as for `forward`.
            labels: as for `forward`.

        Returns:
            Two float32 scalars. Loss 2 is 0, with zero gradients, where no slice has a location.

        Raises:
            ValueError: the shapes do not fit.
        """
        width = len(ICH_CLASSES) + self.location_classes
        if logits.ndim != 2 or logits.shape[1] != width or labels.shape != (logits.shape[0], 2):
            raise ValueError(
                f"DualTaskLoss takes logits (B, {width}) and labels (B, 2), not {tuple(logits.shape)} and "
                f"{tuple(labels.shape)}."
            )
        ich = labels[:, 0]
        normal = NOT_APPLICABLE if self.location_classes == len(LOCATIONS) else len(LOCATIONS)
        location = labels[:, 1].masked_fill(ich == 0, normal)

        counts = torch.stack([(ich != NOT_APPLICABLE).sum(), (location != NOT_APPLICABLE).sum()])
        counts, ranks = joint_counts(counts, logits.requires_grad)
        # A rank (or batch) without haemorrhage keeps its place in the graph: an empty sum is 0 with zero gradients.
        ich_mean, location_mean = (
            F.cross_entropy(
                head.float(),
                target,
                ignore_index=NOT_APPLICABLE,
                reduction="sum",
                label_smoothing=self.label_smoothing,
            )
            * (ranks / count.clamp(min=1))
            for head, target, count in zip(
                logits.split([len(ICH_CLASSES), self.location_classes], dim=1), (ich, location), counts, strict=True
            )
        )
        return ich_mean, location_mean


def joint_counts(counts: Tensor, training: bool) -> tuple[Tensor, int]:
    """Counts over all ranks, and the number of ranks, by which a rank multiplies its part (see `DualTaskLoss`).

    Args:
        counts: (N,) of this rank.
        training: False: this rank's own, of one rank.
    """
    counts = counts.float()
    if not training or not is_distributed():
        return counts, 1
    dist.all_reduce(counts)
    return counts, dist.get_world_size()
