"""From a volume to slice and study probabilities."""

from ichmonai.inference.chain import inference_chain
from ichmonai.inference.inferers import SliceInferer
from ichmonai.inference.runtimes import RuntimeChoice, RuntimeNetwork, on_runtime
from ichmonai.inference.screening import checked, screen
from ichmonai.inference.study import AggregateSlices, AggregateSlicesd, SliceProbabilitiesd, study_probabilities

__all__ = [
    "AggregateSlices",
    "AggregateSlicesd",
    "RuntimeChoice",
    "RuntimeNetwork",
    "SliceInferer",
    "SliceProbabilitiesd",
    "checked",
    "inference_chain",
    "on_runtime",
    "screen",
    "study_probabilities",
]
