"""What an evaluation leaves: every slice's prediction, the metrics and the confusion matrices."""

from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from ichmonai.evaluation import evaluate, write_evaluation
from ichmonai.evaluation.tables import Table
from ichmonai.labels import LOCATIONS, NOT_APPLICABLE
from ichmonai.networks.heads import softmax_heads
from ichmonai.outputs.confusion import save_confusion_matrices
from ichmonai.outputs.provenance import write_provenance
from ichmonai.outputs.tables import PROBABILITIES, gather_rows, probability_columns, write_csv


class EvaluationWriter:
    """Ignite handler for an evaluator of labelled slices.

    Writes `predictions.csv` (image, patient, truth and probabilities of each slice), what `ichmonai evaluate` makes of
    it (`metrics.json`, `metrics.csv`, `report.html`: see `ichmonai.evaluation.write_evaluation`), `confusion_*.png` and
    `run.json`. `metrics.json` also has the engine's own metrics, such as `loss`, without an interval.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
        split: what the slices are, for the record.
        calibration: `calibration.json` kept with the weights; temperature and thresholds are "not fitted" without it.
    """

    def __init__(
        self,
        directory: str | PathLike,
        weights: str | PathLike,
        split: str = "test",
        calibration: str | PathLike | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.weights = weights
        self.split = split
        self.calibration = calibration
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        batch, output = cast(Any, engine.state).batch, cast(Any, engine.state).output
        for image, patient, label, logits in zip(
            batch["image_path"], batch["patient"], output[CommonKeys.LABEL], output[CommonKeys.PRED], strict=True
        ):
            self.rows.append({"image": image, "patient": patient, "label": label.cpu(), "logits": logits.float().cpu()})

    def _write(self, engine: Engine) -> None:
        rows = gather_rows(self.rows)
        if dist.is_available() and dist.is_initialized() and dist.get_rank() > 0:
            return
        logits, labels = torch.stack([r["logits"] for r in rows]), torch.stack([r["label"] for r in rows])
        probabilities = softmax_heads(logits)
        named = [
            {
                "image": str(row["image"]),
                "patient": str(row["patient"]),
                "ich": str(int(label[0])),
                "location": LOCATIONS[label[1]] if label[1] != NOT_APPLICABLE else "",
            }
            for row, label in zip(rows, labels, strict=True)
        ]
        write_csv(
            self.directory / "predictions.csv",
            (*named[0], *PROBABILITIES),
            (row | probability_columns(p) for row, p in zip(named, probabilities, strict=True)),
        )
        columns = {name: np.array([row[name] for row in named]) for name in named[0]}
        columns |= {name: p.numpy().astype(str) for name, p in zip(PROBABILITIES, probabilities.T[1:], strict=True)}
        evaluation = evaluate(Table("predictions.csv", columns), calibration=self.calibration, split=self.split)
        state = cast(Any, engine.state)  # the key metric stands there under its own name already
        more = {name: value for name, value in state.metrics.items() if name != state.key_metric_name}
        write_evaluation(evaluation, self.directory, more=more)
        save_confusion_matrices(logits, labels, self.directory, self.split)
        write_provenance(self.directory / "run.json", self.weights, split=self.split, slices=len(rows))
