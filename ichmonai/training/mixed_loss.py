"""The loss of a network with kinds and a mask, on slices of which not everything is known."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from monai.losses import MaskedDiceLoss
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS, UNKNOWN
from ichmonai.training.losses import DualTaskLoss, joint_counts


class MixedLoss(nn.Module):
    """The two losses of DTViT, binary cross entropy of the kinds, and cross entropy and Dice of the mask.

    What is unknown of a slice is left out of the loss that it belongs to: haemorrhage or location of -1, a kind of nan,
    pixels of the mask that are `UNKNOWN`. Each loss is a mean over what is known, over that of *all* ranks as in
    `DualTaskLoss`, but for the Dice, which is of the rank's own batch: of each kind, over the pixels of all its slices.

    Args:
        location_classes: see `DualTaskLoss`.
        kinds_weight: of the mean loss of the kinds.
        mask_weight: of the sum of cross entropy and Dice of the mask.
        blood_weight: of a pixel with blood in the cross entropy of the mask; of one without it is 1.
        label_smoothing: of the first two losses.

    Example:
        >>> targets = {"label": torch.tensor([[1, -1]]), "kinds": torch.full((1, 5), torch.nan)}
        >>> MixedLoss()(torch.zeros(1, 10), targets).item()  # ln 2
        0.693...
    """

    def __init__(
        self,
        location_classes: int = len(LOCATIONS),
        kinds_weight: float = 1.0,
        mask_weight: float = 1.0,
        blood_weight: float = 3.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.dual = DualTaskLoss(location_classes, label_smoothing=label_smoothing)
        self.width = len(ICH_CLASSES) + location_classes
        self.kinds_weight = kinds_weight
        self.mask_weight = mask_weight
        self.dice = MaskedDiceLoss(include_background=False, batch=True)
        self.register_buffer("class_weights", torch.tensor([1.0] + [blood_weight] * len(KINDS)), persistent=False)
        self.class_weights: Tensor

    def forward(self, pred: Tensor | tuple[Tensor, Tensor], targets: Tensor | Mapping[str, Any]) -> Tensor:
        """Give the loss to minimise.

        Args:
            pred: logits (B, K) float in the order of `KIND_HEADS`, or of its first two heads; or these and the logits
                of the mask (B, 6, H, W).
            targets: `label` (B, 2) int64, and perhaps `kinds` (B, 5) float and `mask` (B, 1, H, W) integers; or the
                label alone.

        Returns:
            A float32 scalar.
        """
        logits, mask = pred if isinstance(pred, tuple | list) else (pred, None)
        if isinstance(targets, Tensor):
            targets = {"label": targets}
        loss = self.dual(logits[:, : self.width], targets["label"])
        if logits.shape[1] > self.width and "kinds" in targets:
            loss = loss + self.kinds_weight * kinds_loss(logits[:, self.width :], targets["kinds"])
        if mask is not None and "mask" in targets:
            loss = loss + self.mask_weight * self.mask_loss(mask, targets["mask"])
        return loss

    def mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Cross entropy plus Dice of the pixels that are known.

        Args:
            logits: (B, 6, H, W) float.
            mask: (B, 1, H, W) integers.
        """
        logits, target = logits.float(), mask[:, 0].long()
        known = target != UNKNOWN
        counts, ranks = joint_counts(known.sum()[None], logits.requires_grad)
        weights = self.class_weights.to(logits.device)
        total = F.cross_entropy(logits, target, weights, ignore_index=UNKNOWN, reduction="sum")
        entropy = total * (ranks / counts[0].clamp(min=1))
        rows = known.flatten(1).any(1)
        if not rows.any():
            return entropy
        shown = target.masked_fill(~known, 0)[rows]
        one_hot = F.one_hot(shown, len(KINDS) + 1).movedim(-1, 1)
        return entropy + self.dice(logits[rows].softmax(1), one_hot, known[rows][:, None])


def kinds_loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Mean binary cross entropy of the kinds that are known.

    Args:
        logits: (B, 5) float.
        kinds: (B, 5) float, 0 or 1, nan where it is not known.
    """
    known = ~kinds.isnan()
    counts, ranks = joint_counts(known.sum()[None], logits.requires_grad)
    losses = F.binary_cross_entropy_with_logits(logits.float(), kinds.nan_to_num(0).float(), reduction="none")
    return (losses * known).sum() * (ranks / counts[0].clamp(min=1))


def prepare_targets(
    batch: Mapping[str, Any], device: Any = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Any, ...]:
    """MONAI's `prepare_batch` for slices: the image, and its label; with kinds or mask a dictionary of what there is.

    Clinical data is given to the network beside the image, as MONAI has further arguments.

    Args:
        batch: of the data loader.
        device: to put it on.
        non_blocking: as of `Tensor.to`.
        kwargs: as of `Tensor.to`.
    """
    there = [name for name in ("label", "kinds", "mask") if name in batch]
    image, *found = (
        convert_to_tensor(batch[name]).to(device=device, non_blocking=non_blocking, **kwargs)
        for name in ("image", *there)
    )
    targets = found[0] if there == ["label"] else dict(zip(there, found, strict=True))
    if "clinical" not in batch:
        return image, targets
    clinical = convert_to_tensor(batch["clinical"]).to(device=device, non_blocking=non_blocking, **kwargs)
    return image, targets, (clinical,), {}


def prepare_labels(batch: Mapping[str, Any], *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """As `prepare_targets`, without kinds and mask, whatever is known of them.

    Args:
        batch: of the data loader.
        args: as of `prepare_targets`.
        kwargs: as of `prepare_targets`.
    """
    return prepare_targets(
        {name: batch[name] for name in ("image", "label", "clinical") if name in batch}, *args, **kwargs
    )
