"""Writers of results."""

from ichmonai.outputs.calibration_writer import CalibrationWriter
from ichmonai.outputs.evaluation_writer import EvaluationWriter, evaluation_writer
from ichmonai.outputs.multilabel_writer import MultiLabelWriter
from ichmonai.outputs.study_writer import StudyWriter

__all__ = ["CalibrationWriter", "EvaluationWriter", "MultiLabelWriter", "StudyWriter", "evaluation_writer"]
