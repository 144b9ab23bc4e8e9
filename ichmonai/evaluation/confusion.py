"""Confusion matrices as pictures."""

from pathlib import Path

from torch import Tensor

from ichmonai.classes import ICH_CLASSES, LOCATIONS, NOT_APPLICABLE
from ichmonai.evaluation.figures import plot_confusion
from ichmonai.evaluation.metrics import confusion_matrices
from ichmonai.networks.heads import DUAL_HEADS, softmax_heads


def save_confusion_matrices(logits: Tensor, labels: Tensor, directory: Path, title: str) -> None:
    """Write `confusion_ich.png` and `confusion_location.png`.

    Args:
        logits: (N, K) of both heads.
        labels: (N, 2).
        directory: existing folder.
        title: what the slices are, for the heading.
    """
    known = labels[:, 0] != NOT_APPLICABLE
    probabilities = softmax_heads(logits)[known, : sum(DUAL_HEADS.values())]
    ich, location = confusion_matrices(probabilities.numpy(), labels[known].numpy())
    plot_confusion(ich, ICH_CLASSES, directory / "confusion_ich.png", f"ICH, {title}")
    plot_confusion(location, LOCATIONS, directory / "confusion_location.png", f"Location, {title}")
