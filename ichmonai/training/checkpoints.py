"""Best and last checkpoints, resuming and early stopping."""

import logging
import math
from os import PathLike
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn
from torch.optim import Optimizer

from ichmonai.errors import InputError
from ichmonai.evaluation import calibration_path
from ichmonai.model_description import ModelDescription
from ichmonai.ranks import rank
from ichmonai.training.state_files import earlier_state, save_state

logger = logging.getLogger(__name__)

_KEYS = {"network", "optimizer", "epoch", "epoch_length", "best_score", "best_epoch", "validations_since_best"}


class Checkpoints:
    """Ignite handler for the trainer: keeps the best and the last epoch, and stops when nothing improves.

    `model.pt` is the plain state_dict of the best epoch, the form that MONAI bundles publish, and `model.json` beside
    it says what it is of (see `ModelDescription`). `last.pt` has all that a killed run needs to go on to the same
    result, the count of epochs without improvement included, which MONAI's separate checkpoint and early-stop handlers
    would lose. Attach it after the validation handler.

    Args:
        directory: folder of both files; made if absent.
        network: the network itself, not its DistributedDataParallel wrapper.
        description: what is written beside its weights.
        optimizer: its optimizer.
        validator: the engine whose `state.metrics[key]` judges an epoch; higher is better and nan never is.
        key: name of that metric.
        patience: stop after so many validations without improvement; 0 never stops.
        resume: continue from `last.pt` where there is one.

    Raises:
        InputError: at the start of the training, when there is a `last.pt` but `resume` is not set, or it is damaged,
            of another network or of data of another size.
    """

    def __init__(
        self,
        directory: str | PathLike,
        network: nn.Module,
        description: ModelDescription,
        optimizer: Optimizer,
        validator: Engine,
        key: str = "mean_balanced_accuracy",
        patience: int = 0,
        resume: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self.network = network
        self.description = description
        self.optimizer = optimizer
        self.validator = validator
        self.key = key
        self.patience = patience
        self.resume = resume
        self.best_score = -math.inf
        self.best_epoch = 0
        self.validations_since_best = 0

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.STARTED, self._describe)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._warn_if_none_is_best)

    def __call__(self, engine: Engine) -> None:
        """Save at the end of an epoch."""
        if self.validator.state.epoch == engine.state.epoch:
            self._judge(engine)
        self._save(
            "last.pt",
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "epoch": engine.state.epoch,
                "epoch_length": engine.state.epoch_length,
                "best_score": self.best_score,
                "best_epoch": self.best_epoch,
                "validations_since_best": self.validations_since_best,
            },
        )

    def _load(self, trainer: Engine) -> None:
        path = self.directory / "last.pt"
        state = earlier_state(path, self.resume, _KEYS)
        if state is None:
            return
        if state["epoch_length"] != trainer.state.epoch_length:
            raise InputError(
                f"{path} was trained with {state['epoch_length']} iterations an epoch, not "
                f"{trainer.state.epoch_length}; use the same data and batch size, or another output_dir."
            )
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path} is a checkpoint of another network; use another output_dir.") from error
        trainer.state.epoch = state["epoch"]
        trainer.state.iteration = state["epoch"] * state["epoch_length"]
        self.best_score = state["best_score"]
        self.best_epoch = state["best_epoch"]
        self.validations_since_best = state["validations_since_best"]
        logger.info("Resumed from %s after epoch %d.", path, state["epoch"])
        if self._exhausted():
            trainer.terminate()

    def _describe(self) -> None:
        if rank() == 0:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.description.write(self.directory)

    def _judge(self, engine: Engine) -> None:
        score = float(self.validator.state.metrics[self.key])
        if score > self.best_score:
            self.best_score, self.best_epoch, self.validations_since_best = score, engine.state.epoch, 0
            calibration_path(self.directory / "model.pt").unlink(missing_ok=True)  # fitted to the weights before
            self._save("model.pt", self.network.state_dict())
        else:
            self.validations_since_best += 1
        if self._exhausted():
            logger.info("Stopped: %s has not improved since epoch %d.", self.key, self.best_epoch)
            engine.terminate()

    def _warn_if_none_is_best(self, engine: Engine) -> None:
        if not self.best_epoch:
            logger.warning("No epoch has a %s, so there is no model.pt; look at the validation split.", self.key)

    def _exhausted(self) -> bool:
        return 0 < self.patience <= self.validations_since_best

    def _save(self, name: str, state: dict[str, Any]) -> None:
        if rank() == 0:
            save_state(self.directory / name, state)
