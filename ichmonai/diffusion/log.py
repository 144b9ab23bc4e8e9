"""What a training of the diffusion model leaves, and how it goes on."""

import logging
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine, Events
from torch.optim import Optimizer

from ichmonai.errors import InputError
from ichmonai.inpainter import Inpainter
from ichmonai.tables import write_csv
from ichmonai.training.state_files import earlier_state, save_state

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
        save_state(self.directory / "inpainter.pt", state)
        going_on = {"optimizer": self.optimizer.state_dict(), "losses": self.losses}
        save_state(self.directory / "last.pt", state | going_on)

    def _start(self, engine: Engine) -> None:
        path = self.directory / "last.pt"
        state = earlier_state(path, self.resume, {"network", "optimizer", "losses"})
        if state is None:
            return
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path} is a checkpoint of another network; use another output_dir.") from error
        self.losses = list(state["losses"])
        engine.state.epoch = len(self.losses)
        engine.state.iteration = len(self.losses) * (engine.state.epoch_length or 0)

    def _add(self, engine: Engine) -> None:
        self.sum += cast(Any, engine.state.output)["loss"].item()
