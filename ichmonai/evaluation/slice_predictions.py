"""The predictions of labelled slices as an evaluator makes them, for handlers that write them down."""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import Tensor

from ichmonai.classes import KINDS, LOCATIONS, NOT_APPLICABLE
from ichmonai.evaluation.tables import Table, read_table
from ichmonai.networks.heads import softmax_heads
from ichmonai.ranks import is_distributed, rank
from ichmonai.tables import KIND_PROBABILITIES, PROBABILITIES, probability_columns, write_csv

_NAMES = ("patient", "study", "slice")
"""What a datalist says of a slice; the patient always, the others where it has them (see `load_datalist`)."""


class WrittenPredictions(NamedTuple):
    """Predictions that stand in a file, and what they were made of: logits (N, K) and labels (N, 2)."""

    table: Table
    logits: Tensor
    labels: Tensor


def gather_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all processes in the dataset's order, as `ShardSampler` divided them: r, r + W, r + 2W and so on."""
    if not is_distributed():
        return rows
    parts: list = [None] * dist.get_world_size()
    dist.all_gather_object(parts, rows)
    return [row for row in chain.from_iterable(zip_longest(*parts)) if row is not None]


class SlicePredictions(ABC):
    """Ignite handler for an evaluator of labelled slices, to build on: it collects what was predicted."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    @abstractmethod
    def write(self, engine: Engine) -> None:
        """Write the files; called at the end, on every process."""

    def write_predictions(self, path: Path) -> WrittenPredictions | None:
        """Write a csv file of image, patient, truth and probabilities of each slice, of all processes.

        Study and number of the slice stand in it where the datalist has them: levels coarser than a slice need them.
        So does the truth of kinds, where the network says kinds; an empty cell is unknown.

        Returns:
            The predictions as they stand in the file; None on all processes but the first, which write nothing.
        """
        rows = gather_rows(self.rows)
        if rank() > 0:
            return None
        logits, labels = torch.stack([r["logits"] for r in rows]), torch.stack([r["label"] for r in rows])
        named = (
            {
                **row["named"],
                "ich": int(label[0]),
                "location": LOCATIONS[label[1]] if label[1] != NOT_APPLICABLE else "",
                **probability_columns(p),
            }
            for row, label, p in zip(rows, labels, softmax_heads(logits), strict=True)
        )
        kinds = KIND_PROBABILITIES if _says_kinds(logits) else ()
        columns = (*rows[0]["named"], "ich", "location", *PROBABILITIES, *kinds)
        write_csv(path, columns, named)
        # Paths of the images are those of the dataset, relative to where the command runs and not to this file.
        return WrittenPredictions(replace(read_table(path), folder=Path()), logits, labels)

    def _collect(self, engine: Engine) -> None:
        batch, output = cast(Any, engine.state).batch, cast(Any, engine.state).output
        names = {"image": batch["image_path"], **{name: batch[name] for name in _NAMES if name in batch}}
        if "kinds" in batch and _says_kinds(output[CommonKeys.PRED]):
            for kind, known in zip(KINDS, batch["kinds"].T.tolist(), strict=True):
                names[kind] = ["" if math.isnan(one) else int(one) for one in known]
        for *cells, label, logits in zip(
            *names.values(), output[CommonKeys.LABEL], output[CommonKeys.PRED], strict=True
        ):
            named = {
                name: cell.item() if isinstance(cell, Tensor) else cell for name, cell in zip(names, cells, strict=True)
            }
            self.rows.append({"named": named, "label": label.cpu(), "logits": logits.float().cpu()})


def _says_kinds(logits: Tensor) -> bool:
    return logits.shape[1] >= len(PROBABILITIES) + 1 + len(KIND_PROBABILITIES)
