"""Metrics, their intervals and their figures."""

from ichmonai.evaluation.intervals import patient_bootstrap
from ichmonai.evaluation.metrics import confusion_matrices, head_metrics

__all__ = ["confusion_matrices", "head_metrics", "patient_bootstrap"]
