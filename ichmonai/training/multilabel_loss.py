"""The weighted log loss of the RSNA 2019 challenge, as a loss on logits."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ichmonai.classes import RSNA_LABELS
from ichmonai.evaluation.multilabel import LABEL_WEIGHTS
from ichmonai.ranks import is_distributed


class MultiLabelLogLoss(nn.Module):
    """Weighted mean of the six labels' log losses: weight 2 for `any`, 1 for each subtype, divided by 7.

    On logits, so that nothing overflows and no gradient vanishes by clipping. The challenge's metric, which is on
    probabilities and clips them at 1e-15 (`weighted_log_loss`), is the same number while no logit exceeds 34 by size.

    The mean is over slices; under `torch.distributed`, for logits that require gradients, over the slices of *all*
    ranks: each rank divides its sum by the joint count and multiplies by the number of ranks, which
    `DistributedDataParallel`'s averaging of gradients takes back. Without gradients it is the rank's own mean.

    Example:
        >>> MultiLabelLogLoss()(torch.zeros(2, 6), torch.zeros(2, 6)).item()  # ln 2
        0.693...
    """

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        weights = torch.tensor(LABEL_WEIGHTS)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the loss to minimise.

        Args:
            logits: (B, 6) float, in the order of `RSNA_LABELS`; computed in float32 whatever their dtype.
            labels: (B, 6), 0 or 1; nan where unknown, of which nothing is learnt.

        Returns:
            A float32 scalar.

        Raises:
            ValueError: the shapes do not fit.
        """
        if logits.ndim != 2 or logits.shape[1] != len(RSNA_LABELS) or labels.shape != logits.shape:
            raise ValueError(
                f"MultiLabelLogLoss takes logits and labels (B, {len(RSNA_LABELS)}), not {tuple(logits.shape)} and "
                f"{tuple(labels.shape)}."
            )
        unknown = labels.isnan()
        losses = F.binary_cross_entropy_with_logits(logits.float(), labels.float().nan_to_num(), reduction="none")
        losses = losses.masked_fill(unknown, 0)
        count = torch.tensor(float(len(logits)), device=logits.device)
        ranks = 1
        if logits.requires_grad and is_distributed():
            dist.all_reduce(count)
            ranks = dist.get_world_size()
        return (losses @ self.weights.to(losses.device)).sum() * (ranks / count)
