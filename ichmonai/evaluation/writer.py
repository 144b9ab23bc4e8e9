"""What an evaluation leaves: every slice's prediction, the metrics and the confusion matrices."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine

from ichmonai.evaluation.confusion import save_confusion_matrices
from ichmonai.evaluation.evaluation import evaluate
from ichmonai.evaluation.files import write_evaluation
from ichmonai.evaluation.multilabel_writer import MultiLabelWriter
from ichmonai.evaluation.slice_predictions import SlicePredictions
from ichmonai.provenance import write_provenance


class EvaluationWriter(SlicePredictions):
    """Ignite handler for an evaluator of labelled slices.

    Writes `predictions.csv` (image, patient, truth and probabilities of each slice), what `ichmonai evaluate` makes of
    it (`metrics.json`, `metrics.csv`, `report.html`: see `ichmonai.evaluation.write_evaluation`), `confusion_*.png` and
    `run.json`. `metrics.json` also has the engine's own metrics, such as `loss`, without an interval.

    Args:
        directory: folder of the files; made if absent.
        weights: file that the network's weights came from.
        split: what the slices are, for the record.
        calibration: `calibration.json` kept with the weights; temperature and thresholds are "not fitted" without it.
            It is read at the end.
    """

    def __init__(
        self,
        directory: str | PathLike,
        weights: str | PathLike,
        split: str = "test",
        calibration: str | PathLike | None = None,
    ) -> None:
        super().__init__()
        self.directory = Path(directory)
        self.weights = weights
        self.split = split
        self.calibration = calibration

    def write(self, engine: Engine) -> None:
        """Write the files."""
        predictions = self.write_predictions(self.directory / "predictions.csv")
        if predictions is None:
            return
        evaluation = evaluate(predictions.table, calibration=self.calibration, split=self.split)
        state = cast(Any, engine.state)  # the key metric stands there under its own name already
        more = {name: value for name, value in state.metrics.items() if name != state.key_metric_name}
        write_evaluation(evaluation, self.directory, more=more)
        save_confusion_matrices(predictions.logits, predictions.labels, self.directory, self.split)
        write_provenance(self.directory / "run.json", self.weights, split=self.split, slices=len(predictions.table))


def evaluation_writer(
    directory: str | PathLike,
    weights: str | PathLike,
    split: str = "test",
    calibration: str | PathLike | None = None,
    prevalence: Sequence[float] | None = None,
) -> EvaluationWriter | MultiLabelWriter:
    """The writer that suits the labels of a dataset.

    Args:
        directory: as of both writers.
        weights: as of both writers.
        split: as of both writers.
        calibration: as of `EvaluationWriter`.
        prevalence: as of `MultiLabelWriter`, whose labels are RSNA's; None for DTViT's.
    """
    if prevalence is None:
        return EvaluationWriter(directory, weights, split, calibration)
    return MultiLabelWriter(directory, weights, prevalence, split)
