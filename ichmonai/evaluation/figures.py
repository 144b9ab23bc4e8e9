"""Figures of a training and its evaluation, drawn without a display."""

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ichmonai.figures import BLUE, VERMILION
from ichmonai.notice import NOTICE

_DPI = 150
_ICH, _LOCATION, _LOSS = BLUE, VERMILION, "#333333"  # the dashes tell them apart in print


def plot_curves(rows: Sequence[Mapping[str, float]], path: str | PathLike) -> None:
    """Plot loss and accuracy by epoch, training dashed and validation solid (cf. Fan et al. 2024, Fig. 5).

    Args:
        rows: one an epoch: `epoch`, and any of `loss`, `ich_accuracy` and `location_accuracy` with the prefix `train_`
            or `val_`. Missing and nan values leave a gap.
        path: PNG file to write.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("There is nothing to plot: plot_curves takes one row for each epoch.")
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    _plot(losses, rows, "loss", "", _LOSS)
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0)
    _plot(accuracies, rows, "ich_accuracy", "haemorrhage, ", _ICH)
    _plot(accuracies, rows, "location_accuracy", "location, ", _LOCATION)
    accuracies.set_ylabel("accuracy")
    accuracies.set_ylim(top=1.0)
    for axes in (losses, accuracies):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)  # above: no curve is hidden
    _save(figure, path)


def _save(figure: Figure, path: str | PathLike) -> None:
    figure.supxlabel(NOTICE, x=0.995, ha="right", fontsize=6, color="#777777")
    figure.savefig(path, format="png", dpi=_DPI, metadata={"Description": NOTICE})


def _plot(axes: Axes, rows: Sequence[Mapping[str, float]], name: str, label: str, colour: str) -> None:
    for split, title, style in (("train", "training", "--"), ("val", "validation", "-")):
        values = np.array([row.get(f"{split}_{name}", np.nan) for row in rows], dtype=float)
        if not np.isnan(values).all():
            epochs = [row["epoch"] for row in rows]
            axes.plot(epochs, values, style, marker="o", markersize=3, color=colour, label=label + title)


def plot_confusion(
    matrix: NDArray[np.integer], class_names: Sequence[str], path: str | PathLike, title: str = ""
) -> None:
    """Write `confusion_figure` as PNG; see there."""
    _save(confusion_figure(matrix, class_names, title), path)


def confusion_figure(matrix: NDArray[np.integer], class_names: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix: counts, on the shade of their share of the true class (cf. Fan et al. 2024, Fig. 6).

    Args:
        matrix: (K, K) counts, rows true, columns predicted.
        class_names: K names.
        title: above the matrix.

    Raises:
        ValueError: there is not one name for each row and column.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(class_names), len(class_names)):
        raise ValueError(f"{len(class_names)} class names do not fit a confusion matrix of shape {matrix.shape}.")
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(1.8 + len(class_names), 1.5 + len(class_names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        axes.text(
            column,
            row,
            f"{matrix[row, column]}\n{share[row, column]:.1%}",
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.6 else "black",
        )
    axes.set_xticks(range(len(class_names)), class_names)
    axes.set_yticks(range(len(class_names)), class_names, rotation=90, va="center")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    return figure
