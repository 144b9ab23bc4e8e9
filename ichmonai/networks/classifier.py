"""What all networks share: an encoder of the slice, and heads on its features."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.networks.clinical import ClinicalBranch
from ichmonai.networks.heads import DUAL_HEADS, ClassificationHeads


class SliceClassifier(nn.Module):
    """An encoder with classification heads on its pooled features.

    Every network of the package is one, so that encoder and heads are chosen apart from each other and `load_weights`,
    `load_trained`, TorchScript and ONNX work on all alike.

    Args:
        encoder: gives (B, num_features) for (B, in_channels, H, W).
        num_features: width of the features.
        in_channels: channels of the image.
        heads: head name -> number of outputs, e.g. `DUAL_HEADS` or `RSNA_HEADS`.
        head: `"linear"` or `"mlp"`, see `ClassificationHeads`.
        head_dropout: dropout probability in the MLP heads.

    Attributes:
        arguments: what `create_network` was called with, as JSON values; empty for a network made otherwise.
        mask_classes: of the mask that `with_mask` gives; 0 for a network without one.
        clinical: reads clinical data beside the image; None for a network without such a branch.

    Raises:
        InputError: there are no heads or their kind is not known; in a forward pass that is neither scripted nor
            traced, the image has another number of channels.
    """

    def __init__(
        self,
        encoder: nn.Module,
        num_features: int,
        in_channels: int = 3,
        heads: Mapping[str, int] = DUAL_HEADS,
        head: Literal["linear", "mlp"] = "linear",
        head_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {}
        self.in_channels = in_channels
        self.mask_classes = 0
        self.num_features = num_features
        self.clinical: ClinicalBranch | None = None
        self.encoder = encoder
        self.heads = ClassificationHeads(num_features, heads, head, head_dropout)

    def with_mask(self) -> nn.Module:
        """What gives the mask beside the logits, where the network has one; the network itself where it has none.

        The module shares the weights: (B, in_channels, H, W) -> logits (B, K), and logits of the mask (B, classes, H,
        W). The network's own forward pass gives the logits alone, and does not compute the mask.
        """
        return self

    def forward(self, image: Tensor, clinical: Tensor | None = None) -> Tensor:
        """Classify slices.

        Args:
            image: (B, in_channels, H, W) float, normalised as the bundle's preprocessing does.
            clinical: (B, W) or (1, W) float, see `ClinicalBranch`; None, as zeros throughout, is the image alone. A
                network without a branch ignores it.

        Returns:
            Logits (B, K) float, the heads' outputs side by side; for `DUAL_HEADS` [normal, ich | deep, lobar,
            subtentorial].
        """
        if not torch.jit.is_scripting():
            _check_channels(image, self.in_channels)
        features = self.encoder(image)
        if self.clinical is not None and clinical is not None:
            features = self.clinical(features, clinical)
        return self.heads(features)


def _check_channels(image: Tensor, in_channels: int) -> None:
    """Say in one sentence what the first convolution would say of its weights' shape."""
    if not torch.jit.is_tracing() and image.shape[1] != in_channels:
        raise InputError(
            f"The network takes images of {in_channels} channels, and these have {image.shape[1]}; set in_channels, or "
            "the windows or neighbouring slices that make the channels."
        )
