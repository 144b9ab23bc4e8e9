"""What an inference leaves: a table of studies and a table of slices."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from torch import nn

from ichmonai.io.series import Rejection
from ichmonai.prediction.rows import (
    REJECTED_COLUMNS,
    SLICE_COLUMNS,
    STUDY_COLUMNS,
    rejected_row,
    study_rows,
    worklist_rank,
)
from ichmonai.provenance import table_digests, write_provenance
from ichmonai.tables import write_csv


class StudyWriter:
    """Ignite handler for an evaluator of volumes, one an iteration.

    Writes `studies.csv` (a row a study: positives, the most probable first, then what has no prediction, then
    negatives), `slices.csv` (a row a slice, inferior to superior), `rejected.csv` and `run.json`.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
        threshold: ICH probability above which a study is positive.
        temperature: head -> what its logits were divided by, for `run.json`, where `ichmonai evaluate` looks for it.
        rejected: inputs that get no answer, with the reason.
        network: the network, which may say what it runs on (`choice`, see `RuntimeNetwork`).
    """

    def __init__(
        self,
        directory: str | PathLike,
        weights: str | PathLike,
        threshold: float = 0.5,
        temperature: Mapping[str, float] | None = None,
        rejected: Sequence[Rejection] = (),
        network: nn.Module | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.weights = weights
        self.threshold = threshold
        self.temperature = dict(temperature or {})
        self.rejected = rejected
        self.choice = getattr(network, "choice", None)
        self.studies: list[dict[str, Any]] = []
        self.slices: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(cast(Any, engine.state).batch, cast(Any, engine.state).output, strict=True):
            meta = item[CommonKeys.IMAGE].meta
            summary, slices = output[CommonKeys.PRED], output[f"{CommonKeys.PRED}_slices"]
            meta = {**meta, "findings": [*(item.get("findings") or ()), *(meta.get("findings") or ())]}
            row, rows = study_rows(item["study"], item.get("series", ""), summary, slices, meta, self.threshold)
            self.studies.append({**row, "sha256": item.get("sha256", "")})
            self.slices += rows

    def _write(self, engine: Engine) -> None:
        self.studies.sort(key=lambda row: (worklist_rank(row), row["study"], row["series"]))
        write_csv(self.directory / "studies.csv", STUDY_COLUMNS, self.studies)
        write_csv(self.directory / "slices.csv", SLICE_COLUMNS, self.slices)
        write_csv(self.directory / "rejected.csv", REJECTED_COLUMNS, map(rejected_row, self.rejected))
        write_provenance(
            self.directory / "run.json",
            self.weights,
            studies=len(self.studies),
            slices=len(self.slices),
            rejected=len(self.rejected),
            threshold=self.threshold,
            temperature=self.temperature,
            runtimes=[self.choice.record()] if self.choice else [],
            tables=table_digests(self.directory / f"{name}.csv" for name in ("studies", "slices", "rejected")),
        )
