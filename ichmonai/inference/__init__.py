"""From a volume to slice and study probabilities."""

from ichmonai.inference.inferers import SliceInferer
from ichmonai.inference.screening import checked, screen
from ichmonai.inference.study import AggregateSlices, AggregateSlicesd, SliceProbabilitiesd, study_probabilities

__all__ = [
    "AggregateSlices",
    "AggregateSlicesd",
    "SliceInferer",
    "SliceProbabilitiesd",
    "checked",
    "screen",
    "study_probabilities",
]
