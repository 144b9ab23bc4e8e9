"""What an evaluator of the validation split leaves: the calibration that is kept with the weights."""

from os import PathLike
from pathlib import Path

from ignite.engine import Engine

from ichmonai.evaluation.cases import read_cases
from ichmonai.evaluation.fitting import fit_calibration
from ichmonai.evaluation.slice_predictions import SlicePredictions


class CalibrationWriter(SlicePredictions):
    """Ignite handler for an evaluator of the validation split: fits temperatures and thresholds on it.

    Args:
        predictions: csv file to write, of the slices that they are fitted on.
        calibration: `calibration.json` to write, see `ichmonai.evaluation.Calibration`. It names the predictions with
            their SHA-256.
    """

    def __init__(self, predictions: str | PathLike, calibration: str | PathLike) -> None:
        super().__init__()
        self.predictions = Path(predictions)
        self.calibration = Path(calibration)

    def write(self, engine: Engine) -> None:
        """Write the files."""
        predictions = self.write_predictions(self.predictions)
        if predictions is not None:
            fit_calibration(read_cases(predictions.table)).write(self.calibration)
