"""What an inference leaves: a table of studies and a table of slices."""

import math
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from ichmonai.outputs.provenance import write_provenance
from ichmonai.outputs.tables import PROBABILITIES, probability_columns, write_csv


class StudyWriter:
    """Ignite handler for an evaluator of volumes, one an iteration.

    Writes `studies.csv` (a row a study, most probable haemorrhage first, with the SHA-256 of its HU where
    `drop_unreadable` gave one), `slices.csv` (a row a slice, inferior to superior, with SOPInstanceUID where there is
    one) and `run.json`.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
    """

    def __init__(self, directory: str | PathLike, weights: str | PathLike) -> None:
        self.directory = Path(directory)
        self.weights = weights
        self.studies: list[dict[str, Any]] = []
        self.slices: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(cast(Any, engine.state).batch, cast(Any, engine.state).output, strict=True):
            study, slices = item["study"], output[f"{CommonKeys.PRED}_slices"]
            uids = item[CommonKeys.IMAGE].meta.get("sop_instance_uids") or [""] * slices.shape[1]
            leading = int(slices[1].argmax())
            self.studies.append(
                {
                    "study": study,
                    **probability_columns(output[CommonKeys.PRED]),
                    "slices": slices.shape[1],
                    "leading_slice": leading,
                    "leading_sop_instance_uid": uids[leading],
                    "sha256": item.get("sha256", ""),
                }
            )
            self.slices += [
                {"study": study, "slice": i, "sop_instance_uid": uid, **probability_columns(p)}
                for i, (uid, p) in enumerate(zip(uids, slices.T, strict=True))
            ]

    def _write(self, engine: Engine) -> None:
        # Where the network gave nan, which is a fault and no negative, the study comes first.
        self.studies.sort(key=lambda row: -math.inf if math.isnan(float(row["p_ich"])) else -float(row["p_ich"]))
        write_csv(
            self.directory / "studies.csv",
            ("study", *PROBABILITIES, "slices", "leading_slice", "leading_sop_instance_uid", "sha256"),
            self.studies,
        )
        write_csv(self.directory / "slices.csv", ("study", "slice", "sop_instance_uid", *PROBABILITIES), self.slices)
        write_provenance(self.directory / "run.json", self.weights, studies=len(self.studies), slices=len(self.slices))
