"""What a training leaves to look at: a row an epoch, in full and in short, and pictures of them."""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine, Events
from torch import Tensor

from ichmonai.evaluation.confusion import save_confusion_matrices
from ichmonai.evaluation.figures import plot_curves
from ichmonai.ranks import rank
from ichmonai.tables import write_csv
from ichmonai.training.epoch_table import EpochTable
from ichmonai.training.head_metrics import HeadMetrics

Rows = Sequence[Mapping[str, float]]
Draw = Callable[[Path, Rows, tuple[Tensor, Tensor] | None], None]
"""Draws into a folder what the epochs and the last validation, its logits and labels, show."""


def draw_heads(folder: Path, rows: Rows, validation: tuple[Tensor, Tensor] | None) -> None:
    """Draw `curves.png` of DTViT's two heads, and the confusion matrices of the validation."""
    plot_curves(rows, folder / "curves.png")
    if validation is not None:
        save_confusion_matrices(*validation, folder, "validation")


class EpochLog:
    """Ignite handler for the trainer: `epochs.csv`, the main columns of it on the screen, and pictures of it.

    Attach it after the validation handler.

    Args:
        directory: folder of the files; made if absent.
        validator: the validation engine.
        validation_metric: its `HeadMetrics`, with the prefix `val_`; the trainer's has `train_`.
        draw: the pictures that suit the labels.
    """

    def __init__(
        self, directory: str | PathLike, validator: Engine, validation_metric: HeadMetrics, draw: Draw = draw_heads
    ) -> None:
        self.directory = Path(directory)
        self.validator = validator
        self.validation_metric = validation_metric
        self.draw = draw
        self.table = EpochTable(f"{validation_metric.prefix}{validation_metric.key}")

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.table.start_epoch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write at the end of an epoch."""
        epoch = engine.state.epoch
        row: dict[str, float | str] = {"epoch": epoch}
        row |= _columns(engine)
        validated = self.validator.state.epoch == epoch
        if validated:
            row |= _columns(self.validator)
        validation = self.validation_metric.gather() if validated else None  # on every process
        if rank() > 0:
            return
        # A run killed before its checkpoint was written repeats an epoch: the later row replaces the earlier.
        rows = [old for old in self._rows() if int(old["epoch"]) < epoch] + [row]
        names = list(dict.fromkeys(name for r in rows for name in r))
        write_csv(self.directory / "epochs.csv", names, rows)
        numbers = [{name: float(value or math.nan) for name, value in r.items()} for r in rows]
        self.table.show(numbers, cast(int, engine.state.max_epochs))
        self.draw(self.directory, numbers, validation)

    def _rows(self) -> list[dict]:
        path = self.directory / "epochs.csv"
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def _columns(engine: Engine) -> dict[str, float]:
    """An engine's metrics but for the key metric, which stands there under its own name already."""
    key = cast(Any, engine.state).key_metric_name  # MONAI's addition to Ignite's state
    return {name: value for name, value in engine.state.metrics.items() if name != key}
