"""What an evaluation on RSNA's six labels leaves: every slice's prediction, and metrics beside the baselines."""

import json
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from ichmonai.classes import RSNA_LABELS
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.multilabel import BASELINES, multilabel_estimator
from ichmonai.evaluation.slice_predictions import gather_rows
from ichmonai.notice import NOTICE
from ichmonai.private_files import write_text
from ichmonai.provenance import write_provenance
from ichmonai.ranks import rank
from ichmonai.tables import write_csv

_TEXTS = ("image", "patient", "series", "slice")


class MultiLabelWriter:
    """Ignite handler for an evaluator of slices with RSNA's labels.

    Writes `predictions.csv` (image, patient, study and slice number, truth and probability of each label),
    `metrics.json` and `run.json`. The metrics are those of `multilabel_metrics`, each with a 95% interval from
    resampling patients; null where it is not defined. Slices of which a label is unknown are not judged. What the two
    constant answers score on the same slices stands under `baselines`.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
        prevalence: share of each label in the training split.
        split: what the slices are, for the record.
    """

    def __init__(
        self, directory: str | PathLike, weights: str | PathLike, prevalence: Sequence[float], split: str = "test"
    ) -> None:
        self.directory = Path(directory)
        self.weights = weights
        self.prevalence = prevalence
        self.split = split
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        batch, output = cast(Any, engine.state).batch, cast(Any, engine.state).output
        texts = (batch["image_path"], *(batch[name] for name in _TEXTS[1:]))
        labels, logits = (output[key].double().cpu() for key in (CommonKeys.LABEL, CommonKeys.PRED))
        for *named, label, p in zip(*texts, labels.numpy(), logits.sigmoid().numpy(), strict=True):
            if np.isfinite(label).all():
                self.rows.append({**dict(zip(_TEXTS, named, strict=True)), "label": label, "p": p})

    def _write(self, engine: Engine) -> None:
        rows = gather_rows(self.rows)
        if rank() > 0:
            return
        write_csv(
            self.directory / "predictions.csv",
            ("image", "patient", "study", "slice", *RSNA_LABELS, *(f"p_{name}" for name in RSNA_LABELS)),
            (
                {
                    "image": row["image"],
                    "patient": row["patient"],
                    "study": row["series"],
                    "slice": int(row["slice"]),
                    **{name: int(value) for name, value in zip(RSNA_LABELS, row["label"], strict=True)},
                    # All digits: the log loss depends on how close to 0 or 1 a probability is.
                    **{f"p_{name}": repr(float(p)) for name, p in zip(RSNA_LABELS, row["p"], strict=True)},
                }
                for row in rows
            ),
        )
        patients, patient = np.unique([row["patient"] for row in rows], return_inverse=True)
        labels, probabilities = (np.stack([row[key] for row in rows]) for key in ("label", "p"))
        estimator = multilabel_estimator(probabilities, labels, patient, len(patients), self.prevalence)
        found = estimate({"": estimator}, len(patients))[""]
        of_constants = {
            baseline: {name: _json(found.pop(f"{baseline}_{name}")) for name in ("log_loss", "accuracy")}
            for baseline in BASELINES
        }
        record = {
            "notice": NOTICE,
            "split": self.split,
            "slices": len(rows),
            "patients": len(patients),
            "prevalence": {
                "training": dict(zip(RSNA_LABELS, self.prevalence, strict=True)),
                self.split: dict(zip(RSNA_LABELS, labels.mean(axis=0).tolist(), strict=True)),
            },
            "metrics": {name: _json(value) for name, value in found.items()},
            "baselines": of_constants,
        }
        write_text(self.directory / "metrics.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
        write_provenance(self.directory / "run.json", self.weights, split=self.split, slices=len(rows))


def _json(found: Estimate) -> dict[str, Any]:
    value, low, high = (float(v) if math.isfinite(v) else None for v in found)  # JSON has no nan
    return {"value": value, "interval_95": [low, high]}
