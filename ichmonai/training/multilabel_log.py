"""What a training on RSNA's labels leaves to look at."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ichmonai.classes import RSNA_LABELS
from ichmonai.figures import BLACK, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from ichmonai.training.epoch_log import Rows

_COLOURS = (BLACK, ORANGE, SKY, GREEN, VERMILION, PURPLE)


def draw_labels(folder: Path, rows: Rows, validation: tuple[Tensor, Tensor] | None) -> None:
    """Draw `curves.png` of a training on RSNA's labels, for `EpochLog`."""
    plot_multilabel_curves(rows, folder / "curves.png")


def plot_multilabel_curves(rows: Sequence[Mapping[str, float]], path: str | PathLike) -> None:
    """Plot the weighted log loss by epoch with that of the training prevalence, and the validation's AUC of each label.

    Args:
        rows: one an epoch: `epoch` and metrics of `multilabel_metrics` with the prefixes `train_` and `val_`. Missing
            and nan values leave a gap.
        path: PNG file to write.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, aucs = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for name, label, style, colour in (
        ("train_log_loss", "training", "--", _COLOURS[0]),
        ("val_log_loss", "validation", "-", _COLOURS[0]),
        ("val_prevalence_log_loss", "validation, training prevalence", ":", _COLOURS[4]),
    ):
        _plot(losses, epochs, rows, name, label, style, colour)
    losses.set_ylabel("weighted log loss")
    losses.set_ylim(bottom=0)
    for label, colour in zip(RSNA_LABELS, _COLOURS, strict=True):
        _plot(aucs, epochs, rows, f"val_{label}_auc", label, "-", colour)
    aucs.axhline(0.5, color=GREY, linewidth=1)
    aucs.set_ylabel("AUC, validation")
    aucs.set_ylim(0, 1.02)
    for axes, columns in ((losses, 2), (aucs, 3)):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
    figure.savefig(path, format="png", dpi=150)


def _plot(axes, epochs, rows, name, label, style, colour) -> None:  # type: ignore[no-untyped-def]
    values = np.array([row.get(name, np.nan) for row in rows], dtype=float)
    if not np.isnan(values).all():
        axes.plot(epochs, values, style, marker="o", markersize=3, color=colour, label=label)
