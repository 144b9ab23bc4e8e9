"""Metrics and curves of a pretraining on classes that exclude each other."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ichmonai.training.epoch_log import Rows
from ichmonai.training.head_metrics import HeadMetrics


class ClassMetrics(HeadMetrics):
    """Collects logits (B, K) and one-hot labels (B, K) over an epoch: `accuracy`, `majority` and `loss`.

    `majority` is the accuracy of always naming the most frequent class of these very labels. Arguments as of
    `HeadMetrics`.
    """

    def compute(self) -> dict[str, float]:
        """Return all metrics by name."""
        logits, labels = self.gather()
        metrics = {
            "accuracy": (logits.argmax(1) == labels.argmax(1)).float().mean().item(),
            "majority": labels.float().mean(0).max().item(),
        }
        if self.loss_function is not None:
            metrics["loss"] = float(self.loss_function(logits, labels))
        return metrics


def draw_classes(folder: Path, rows: Rows, validation: tuple[Tensor, Tensor] | None) -> None:
    """Draw `curves.png` of a training with `ClassMetrics`, for `EpochLog`: loss and accuracy."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, title, style in (("train", "training", "--"), ("val", "validation", "-")):
            drawn = [row for row in rows if f"{split}_{name}" in row]
            axes.plot(
                [row["epoch"] for row in drawn],
                [row[f"{split}_{name}"] for row in drawn],
                style,
                marker="o",
                markersize=3,
                color="black",
                label=title,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.set_ylim(0, 1.02 if name == "accuracy" else None)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(folder / "curves.png", dpi=150)
