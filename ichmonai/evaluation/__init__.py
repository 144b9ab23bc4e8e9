"""Metrics, their intervals, calibration, and the evaluation that reports them."""

from ichmonai.evaluation.calibration import Calibration, calibration_path
from ichmonai.evaluation.calibration_writer import CalibrationWriter
from ichmonai.evaluation.evaluation import Evaluation, evaluate
from ichmonai.evaluation.files import write_evaluation
from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.evaluation.metrics import confusion_matrices, head_metrics
from ichmonai.evaluation.multilabel_writer import MultiLabelWriter
from ichmonai.evaluation.writer import EvaluationWriter, evaluation_writer

__all__ = [
    "Calibration",
    "CalibrationWriter",
    "Evaluation",
    "EvaluationWriter",
    "MultiLabelWriter",
    "calibration_path",
    "confusion_matrices",
    "evaluate",
    "evaluation_writer",
    "head_metrics",
    "patient_bootstrap",
    "write_evaluation",
]
