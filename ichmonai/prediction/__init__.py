"""A study's whole way from input to rows; what the bundle's configs name of it."""

from ichmonai.prediction.aggregation import AggregateSlices, AggregateSlicesd, SliceProbabilitiesd, study_probabilities
from ichmonai.prediction.chain import inference_chain
from ichmonai.prediction.evaluator import StudyEvaluator
from ichmonai.prediction.inferers import SliceInferer

__all__ = [
    "AggregateSlices",
    "AggregateSlicesd",
    "SliceInferer",
    "SliceProbabilitiesd",
    "StudyEvaluator",
    "inference_chain",
    "study_probabilities",
]
