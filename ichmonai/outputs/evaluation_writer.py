"""What an evaluation leaves: every slice's prediction, the metrics and the confusion matrices."""

import json
import math
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.labels import LOCATIONS, NOT_APPLICABLE
from ichmonai.networks.heads import softmax_heads
from ichmonai.outputs.confusion import save_confusion_matrices
from ichmonai.outputs.provenance import write_provenance
from ichmonai.outputs.tables import PROBABILITIES, gather_rows, probability_columns, write_csv


class EvaluationWriter:
    """Ignite handler for an evaluator of labelled slices.

    Writes `predictions.csv` (image, patient, truth and probabilities of each slice), `metrics.json` (each metric of
    both heads, with a 95% interval from resampling patients for the main ones; null where it is not defined),
    `confusion_*.png` and `run.json`.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
        split: what the slices are, for the record.
    """

    def __init__(self, directory: str | PathLike, weights: str | PathLike, split: str = "test") -> None:
        self.directory = Path(directory)
        self.weights = weights
        self.split = split
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
        self.directory.mkdir(parents=True, exist_ok=True)
        write_csv(
            self.directory / "predictions.csv",
            ("image", "patient", "ich", "location", *PROBABILITIES),
            (
                {
                    "image": row["image"],
                    "patient": row["patient"],
                    "ich": int(label[0]),
                    "location": LOCATIONS[label[1]] if label[1] != NOT_APPLICABLE else "",
                    **probability_columns(p),
                }
                for row, label, p in zip(rows, labels, probabilities, strict=True)
            ),
        )
        patients = [row["patient"] for row in rows]
        intervals = patient_bootstrap(probabilities.numpy(), labels.numpy(), patients)
        key = cast(Any, engine.state).key_metric_name  # its metric stands there under its own name already
        metrics: dict[str, dict[str, Any]] = {
            name: {"value": _json(value)} for name, value in engine.state.metrics.items() if name != key
        }
        for name, interval in intervals.items():
            metrics.setdefault(name, {})["interval_95"] = [_json(end) for end in interval]
        record = {"split": self.split, "slices": len(rows), "patients": len(set(patients)), "metrics": metrics}
        (self.directory / "metrics.json").write_text(
            json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        save_confusion_matrices(logits, labels, self.directory, self.split)
        write_provenance(self.directory / "run.json", self.weights, split=self.split, slices=len(rows))


def _json(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None  # JSON has no nan
