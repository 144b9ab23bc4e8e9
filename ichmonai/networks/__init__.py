"""The networks of the two papers."""

from ichmonai.networks.dtvit import DTViT
from ichmonai.networks.heads import ClassificationHeads, softmax_heads
from ichmonai.networks.weights import LoadReport, load_trained, load_weights

__all__ = ["ClassificationHeads", "DTViT", "LoadReport", "load_trained", "load_weights", "softmax_heads"]
