"""The epochs of a training on the screen: a short row each; all of their metrics are in `epochs.csv`."""

import math
import sys
import time
from collections.abc import Mapping, Sequence

from tqdm import tqdm

_ALSO = {
    "val_ich_auc": "AUC",
    "val_any_auc": "AUC",
    "val_location_balanced_accuracy": "location",
    "val_mean_dice": "Dice",
}
"""Columns beside both losses and the key metric, where they are defined."""


class EpochTable:
    """Prints a row an epoch on standard error, above the progress bars, and the header again when columns change.

    Args:
        key: column of the metric that chooses the best epoch; higher is better.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.header: list[str] = []
        self.started = time.monotonic()
        self.seconds: list[float] = []

    def start_epoch(self) -> None:
        """The clock of an epoch begins."""
        self.started = time.monotonic()

    def show(self, rows: Sequence[Mapping[str, float]], max_epochs: int) -> None:
        """Print the last row.

        Args:
            rows: of all epochs so far; nan where there is no value.
            max_epochs: of the training, for the time left.
        """
        self.seconds.append(time.monotonic() - self.started)
        row, scores = rows[-1], [old.get(self.key, math.nan) for old in rows]
        best = row.get(self.key, math.nan) >= max((one for one in scores if not math.isnan(one)), default=math.inf)
        left = (max_epochs - row["epoch"]) * sum(self.seconds) / len(self.seconds)
        key_title = self.key.removeprefix("val_").replace("_", " ")
        cells = {
            "epoch": f"{row['epoch']:.0f}/{max_epochs}",
            "training loss": _number(row.get("train_loss")),
            "validation loss": _number(row.get("val_loss")),
            key_title: _number(row.get(self.key)) + (" *" if best else "  "),
        }
        for name, title in _ALSO.items():
            if name != self.key and any(not math.isnan(old.get(name, math.nan)) for old in rows):
                cells[title] = _number(row.get(name))
        cells |= {"took": _clock(self.seconds[-1]), "left": _clock(left)}
        widths = {title: max(len(title), 7) for title in cells}
        if list(cells) != self.header:
            self.header = list(cells)
            _say("  ".join(title.rjust(widths[title]) for title in cells) + "    * best so far")
        _say("  ".join(cell.rjust(widths[title]) for title, cell in cells.items()))


def _say(line: str) -> None:
    tqdm.write(line.rstrip(), file=sys.stderr)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
