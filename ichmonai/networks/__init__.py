"""The networks of the two papers, and those they are compared with."""

from typing import TYPE_CHECKING

from ichmonai.late_names import late_names

if TYPE_CHECKING:
    from ichmonai.networks.branches import CNNBranch, CNNBranches
    from ichmonai.networks.classifier import SliceClassifier
    from ichmonai.networks.dtvit import DTViT
    from ichmonai.networks.heads import DUAL_HEADS, KIND_HEADS, RSNA_HEADS, ClassificationHeads, softmax_heads
    from ichmonai.networks.registry import SCOPEFORMERS, create_network, load_pretrained
    from ichmonai.networks.scopeformer import Scopeformer
    from ichmonai.networks.weights import LoadReport, load_trained, load_weights

__all__ = [
    "DUAL_HEADS",
    "KIND_HEADS",
    "RSNA_HEADS",
    "SCOPEFORMERS",
    "CNNBranch",
    "CNNBranches",
    "ClassificationHeads",
    "DTViT",
    "LoadReport",
    "Scopeformer",
    "SliceClassifier",
    "create_network",
    "load_pretrained",
    "load_trained",
    "load_weights",
    "softmax_heads",
]

# What builds them imports timm and torchvision, which takes seconds; what runs a converted network does without.
__getattr__ = late_names(
    __name__,
    {
        "branches": ("CNNBranch", "CNNBranches"),
        "classifier": ("SliceClassifier",),
        "dtvit": ("DTViT",),
        "heads": ("DUAL_HEADS", "KIND_HEADS", "RSNA_HEADS", "ClassificationHeads", "softmax_heads"),
        "registry": ("SCOPEFORMERS", "create_network", "load_pretrained"),
        "scopeformer": ("Scopeformer",),
        "weights": ("LoadReport", "load_trained", "load_weights"),
    },
)
