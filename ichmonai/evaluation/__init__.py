"""Metrics, their intervals, calibration, and the evaluation that reports them."""

from typing import TYPE_CHECKING

from ichmonai.evaluation.calibration import Calibration, calibration_path
from ichmonai.late_names import late_names

if TYPE_CHECKING:
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

# What measures imports scikit-learn and what draws; what predicts needs the calibration alone.
__getattr__ = late_names(
    __name__,
    {
        "evaluation": ("Evaluation", "evaluate"),
        "files": ("write_evaluation",),
        "intervals": ("patient_bootstrap",),
        "metrics": ("confusion_matrices", "head_metrics"),
    },
)
