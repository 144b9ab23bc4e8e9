"""What a training of the diffusion model leaves, and how it goes on."""

import logging
import os
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ichmonai.errors import InputError, first_line
from ichmonai.inpainter import Inpainter
from ichmonai.tables import write_csv

logger = logging.getLogger(__name__)


class DiffusionLog:
    """Ignite handler for the trainer: the mean loss of each epoch in `epochs.csv`, and files of the network.

    `inpainter.pt` is the network alone, `last.pt` has all that a killed training needs to go on.

    Args:
        directory: folder of the files; made if absent.
        network: it.
        optimizer: its optimizer.
        resume: continue from `last.pt` where there is one.

    Raises:
        InputError: at the start, when there is a `last.pt` but `resume` is not set, or it is of another network.
    """

    def __init__(
        self, directory: str | PathLike[str], network: Inpainter, optimizer: Optimizer, resume: bool = False
    ) -> None:
        self.directory = Path(directory)
        self.network = network
        self.optimizer = optimizer
        self.resume = resume
        self.losses: list[float] = []
        self.sum = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write at the end of an epoch."""
        self.losses.append(self.sum / (engine.state.epoch_length or 1))
        self.sum = 0.0
        logger.info("epoch %d of %d: loss %.4f", engine.state.epoch, engine.state.max_epochs, self.losses[-1])
        self.directory.mkdir(parents=True, exist_ok=True)
        rows = [{"epoch": number, "loss": f"{loss:.5f}"} for number, loss in enumerate(self.losses, 1)]
        write_csv(self.directory / "epochs.csv", ("epoch", "loss"), rows)
        state = {"arguments": self.network.arguments, "network": self.network.state_dict()}
        self._save("inpainter.pt", state)
        self._save("last.pt", {**state, "optimizer": self.optimizer.state_dict(), "losses": self.losses})

    def _start(self, engine: Engine) -> None:
        path = self.directory / "last.pt"
        if not path.is_file():
            return
        if not self.resume:
            raise InputError(f"{path} is of an earlier training; set resume to continue it, or use another output_dir.")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.losses = list(state["losses"])
        except Exception as error:  # whatever a damaged file makes of torch
            raise InputError(
                f"{path} is no checkpoint of this network ({first_line(error)}); use another output_dir."
            ) from error
        engine.state.epoch = len(self.losses)
        engine.state.iteration = len(self.losses) * (engine.state.epoch_length or 0)

    def _add(self, engine: Engine) -> None:
        self.sum += cast(Any, engine.state.output)["loss"].item()

    def _save(self, name: str, state: dict[str, Any]) -> None:
        partial = self.directory / f"{name}.{os.getpid()}"
        torch.save(state, partial)
        partial.replace(self.directory / name)
