"""Metrics, their intervals, calibration, and the evaluation that reports them."""

from ichmonai.evaluation.calibration import Calibration, calibration_path
from ichmonai.evaluation.evaluation import Evaluation, evaluate
from ichmonai.evaluation.files import write_evaluation
from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.evaluation.metrics import confusion_matrices, head_metrics

__all__ = [
    "Calibration",
    "Evaluation",
    "calibration_path",
    "confusion_matrices",
    "evaluate",
    "head_metrics",
    "patient_bootstrap",
    "write_evaluation",
]
