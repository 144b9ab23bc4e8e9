"""The evaluator of the bundle's `inference.json`: its parts, run as `ichmonai predict` runs them."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from monai.transforms.compose import Compose
from rich.console import Console
from torch import nn

from ichmonai.evaluation.calibration import Calibration
from ichmonai.model_description import ModelDescription
from ichmonai.prediction.engines import make_engine
from ichmonai.prediction.identity import identity_of
from ichmonai.prediction.progress import BatchProgress
from ichmonai.prediction.report.templates import read_templates
from ichmonai.prediction.run import BatchOptions, Summary, run_batch
from ichmonai.study_rule import StudyDecision


class StudyEvaluator:
    """Finds the head CT in its inputs, predicts each, and writes the tables; continues where an earlier run stopped.

    It is a source of its own parts (see `BundleSource`): workers are sent the preprocessing alone.

    Args:
        inputs: files, folders, zip archives and whatever else `ichmonai predict` takes.
        output_dir: folder of the results.
        bundle_root: the bundle's folder, for the record.
        ckpt_path: file of the network's weights.
        description: of the network.
        calibration: temperatures and thresholds.
        decision: what is said of a study by its probabilities.
        device: where the network runs.
        preprocessing: from an item with `image` locations to the network's input.
        network: on its runtime.
        inferer: how the network runs on slices.
        postprocessing: from logits to probabilities.
        placed: puts the network on the runtime of an earlier run's answers; None to keep `network`.
        runtime: what was asked for, by which a run is known.
        precision: the same of precision.
        accept: codes of findings that do not refuse a series.
        all_series: every series of a study, not the best.
        shard: (i, n): of n machines this is number i, from 1; it takes its share of the studies.
        formats: names of `ichmonai.prediction.writers`.
        workers: processes that read and prepare; one a core where None.
        timeout: seconds for one series.
        report_templates: language or file of the sentences of the report in words, see `read_templates`.
    """

    overlays: tuple[Path, ...] = ()

    def __init__(
        self,
        inputs: Iterable[str | PathLike],
        output_dir: str | PathLike,
        bundle_root: str | PathLike,
        ckpt_path: str | PathLike,
        description: ModelDescription,
        calibration: Calibration,
        decision: StudyDecision,
        device: torch.device,
        preprocessing: Compose,
        network: nn.Module,
        inferer: Callable[..., Any],
        postprocessing: Compose,
        placed: Callable[..., nn.Module] | None = None,
        runtime: str | None = None,
        precision: str | None = None,
        accept: Sequence[str] = (),
        all_series: bool = False,
        shard: Sequence[int] = (1, 1),
        formats: Sequence[str] = ("csv",),
        workers: int | None = None,
        timeout: float = 600,
        report_templates: str = "en",
    ) -> None:
        self.inputs, self.out, self.root = list(inputs), Path(output_dir), Path(bundle_root).absolute()
        self._weights = Path(ckpt_path)
        self.preprocessing, self.postprocessing = preprocessing, postprocessing
        self.network, self.inferer = network, inferer
        self.placed = placed
        self.placement = {"runtime": runtime, "precision": precision}
        self.facts = {
            "description": description,
            "calibration": calibration,
            "threshold": decision.threshold,
            "decision": decision,
            "device": device,
            "accept": list(accept),
        }
        index, shards = shard
        templates = read_templates(report_templates)
        self.options = BatchOptions(all_series, tuple(formats), (index, shards), workers=workers, templates=templates)
        self.timeout = timeout

    def open(self) -> "StudyEvaluator":
        """The parts: these."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"preprocessing": self.preprocessing}

    def setting(self, name: str) -> Any:
        """As of `InferenceBundle`."""
        return self.facts[name]

    @property
    def weights(self) -> Path:
        """File of the network's weights."""
        return self._weights

    @cached_property
    def identity(self) -> dict[str, Any]:
        """As of `InferenceBundle`."""
        return identity_of(self)

    def with_runtime(self, runtime: str) -> "StudyEvaluator":
        """These parts on the runtime of an earlier run's answers."""
        choice: Any = getattr(self.network, "choice", None)
        if self.placed is not None and choice is not None and choice.runtime != runtime:
            self.network = self.placed(runtime=runtime)
        return self

    def run(self) -> Summary:
        """Predict, and write the results; what the run came to is returned."""
        engine = make_engine("local", self.options.workers, self.timeout, classifies=True)
        with BatchProgress(Console(stderr=True), hidden=not sys.stderr.isatty()) as progress:
            return run_batch(self.inputs, self.out, self, engine, self.options, progress)
