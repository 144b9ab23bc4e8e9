"""What a training of the restyling GAN leaves to look at."""

import logging
from collections import defaultdict
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from monai.utils import AdversarialKeys, CommonKeys
from torchvision.utils import save_image

from ichmonai.tables import write_csv

logger = logging.getLogger(__name__)

LOSSES = {
    "generator": AdversarialKeys.GENERATOR_LOSS,
    "cycle": AdversarialKeys.RECONSTRUCTION_LOSS,
    "discriminator": AdversarialKeys.DISCRIMINATOR_LOSS,
}
"""Column of the log -> key of `AdversarialTrainer`'s output."""

_SAMPLES = 8


class RestylingLog:
    """Ignite handler for an `AdversarialTrainer` of `CycleGenerators`: losses and samples of each epoch.

    `epochs.csv` has the mean losses of each epoch (`cycle` with its weight), `losses.png` draws them, and
    `samples/epoch_NNNN.png` shows the last batch's first images, a column each: photograph, the same restyled, a CT
    slice, the same as a photograph. **The samples show the CT that is trained on: keep them where that may be.**

    Args:
        directory: folder of the files; made if absent.
    """

    def __init__(self, directory: str | PathLike) -> None:
        self.directory = Path(directory)
        self.sums: dict[str, float] = defaultdict(float)

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self.sums.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write at the end of an epoch."""
        length = engine.state.epoch_length or 1
        row = {"epoch": float(engine.state.epoch), **{name: self.sums[name] / length for name in LOSSES}}
        self.rows.append(row)
        logger.info("epoch %d: %s", engine.state.epoch, ", ".join(f"{name} {row[name]:.4f}" for name in LOSSES))
        write_csv(
            self.directory / "epochs.csv",
            ("epoch", *LOSSES),
            [{**row, "epoch": int(row["epoch"])} for row in self.rows],
        )
        self._draw()
        self._save_samples(engine)

    def _start(self, engine: Engine) -> None:
        self.rows: list[dict[str, float]] = []

    def _add(self, engine: Engine) -> None:
        for name, key in LOSSES.items():
            self.sums[name] += cast(Any, engine.state.output)[key].item()

    def _draw(self) -> None:
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for name in LOSSES:
            axes.plot([row["epoch"] for row in self.rows], [row[name] for row in self.rows], label=name)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(self.directory / "losses.png", dpi=150)

    def _save_samples(self, engine: Engine) -> None:
        real, made = (
            cast(Any, engine.state.output)[key][:_SAMPLES].detach().float().chunk(2, dim=1)
            for key in (CommonKeys.IMAGE, AdversarialKeys.FAKES)
        )
        (photograph, ct), (as_photograph, restyled) = real, made
        path = self.directory / "samples" / f"epoch_{engine.state.epoch:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(torch.cat([photograph, restyled, ct, as_photograph]), path, nrow=len(photograph))
