"""Classification heads on pooled features, and the probabilities of DTViT's two heads."""

from collections.abc import Mapping
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor, nn

from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS, RSNA_LABELS
from ichmonai.errors import InputError

DUAL_HEADS: Mapping[str, int] = {"ich": len(ICH_CLASSES), "location": len(LOCATIONS)}
"""DTViT's heads: logits [normal, ich | deep, lobar, subtentorial]."""

KIND_HEADS: Mapping[str, int] = {**DUAL_HEADS, "kinds": len(KINDS)}
"""DTViT's heads, and one logit for each of `KINDS`, which do not exclude each other."""

RSNA_HEADS: Mapping[str, int] = {"rsna": len(RSNA_LABELS)}
"""Scopeformer's head: one logit a label, in the order of `RSNA_LABELS`; labels do not exclude each other."""

MLP_WIDTH = 512
"""Hidden width of the MLP head in the published DTViT code."""


class ClassificationHeads(nn.Module):
    """Named heads that share one feature vector and give one logits tensor.

    One tensor, not a dict, is what TorchScript, ONNX and `monai.bundle verify_net_in_out` ask for; the order of the
    columns is the order of `heads`.

    Args:
        in_features: width of the features.
        heads: head name -> number of outputs, in the order of the logits' columns.
        kind: `"linear"` is one linear layer a head; `"mlp"` is the published code's decoder, linear to 512, ReLU,
            dropout, linear.
        dropout: dropout probability in the MLP; the linear head has none.

    Raises:
        InputError: there are no heads, or `kind` is not known.

    Example:
        >>> heads = ClassificationHeads(192, {"ich": 2, "location": 3})
        >>> heads(torch.zeros(4, 192)).shape
        torch.Size([4, 5])
    """

    def __init__(
        self,
        in_features: int,
        heads: Mapping[str, int],
        kind: Literal["linear", "mlp"] = "linear",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not heads:
            raise InputError("ClassificationHeads needs at least one head: give a mapping such as {'ich': 2}.")
        if kind not in ("linear", "mlp"):
            raise InputError(f"The kind of a classification head is 'linear' or 'mlp', not {kind!r}.")
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(in_features, outputs)
                if kind == "linear"
                else nn.Sequential(
                    nn.Linear(in_features, MLP_WIDTH), nn.ReLU(), nn.Dropout(dropout), nn.Linear(MLP_WIDTH, outputs)
                )
                for name, outputs in heads.items()
            }
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give the heads' logits side by side.

        Args:
            features: (B, in_features) float.

        Returns:
            (B, K) float, K being the sum of the heads' outputs.
        """
        logits: list[Tensor] = []
        for head in self.heads.values():
            logits.append(head(features))
        return torch.cat(logits, dim=1)


@overload
def softmax_heads(logits: Tensor) -> Tensor: ...
@overload
def softmax_heads(logits: NDArray[np.floating]) -> NDArray[np.floating]: ...
def softmax_heads(logits: Tensor | NDArray[np.floating]) -> Tensor | NDArray[np.floating]:
    """Turn the logits of DTViT's two heads, and of the kinds where there are any, into probabilities.

    A network with the published code's fourth location class ("normal", column 5) gives the same five columns: the
    fourth is left out and the three locations are renormalised, that is a softmax over the three logits. The location
    probabilities are therefore always conditional on there being a haemorrhage.

    Args:
        logits: (N, 5) or (N, 6) float, tensor or array; 5 more with the kinds.

    Returns:
        (N, 5) of the same kind: [normal, ich | deep, lobar, subtentorial], each head summing to 1; with the kinds (N,
        10), each of which is a sigmoid.

    Raises:
        ValueError: the logits have another shape.

    Example:
        >>> softmax_heads(torch.zeros(1, 5))
        tensor([[0.5000, 0.5000, 0.3333, 0.3333, 0.3333]])
    """
    ich, location, kinds = split_heads(logits)
    if isinstance(logits, Tensor):
        parts = [ich.softmax(1), location.softmax(1), kinds.sigmoid()]
        return torch.cat(parts, dim=1)
    return np.concatenate([softmax(ich, axis=1), softmax(location, axis=1), expit(kinds)], axis=1)


def split_heads(logits: Any) -> tuple[Any, Any, Any]:
    """The logits of haemorrhage (N, 2), of the three locations (N, 3) and of the kinds, (N, 5) or (N, 0).

    Args:
        logits: as for `softmax_heads`.

    Raises:
        ValueError: the logits have another shape.
    """
    first, last = len(ICH_CLASSES), len(ICH_CLASSES) + len(LOCATIONS)
    widths = (last, last + 1, last + len(KINDS), last + 1 + len(KINDS))
    if logits.ndim != 2 or logits.shape[1] not in widths:
        raise ValueError(
            f"Logits of DTViT's heads are (N, {last}) or (N, {last + 1}), with kinds (N, {widths[2]}) or (N, "
            f"{widths[3]}), not {tuple(logits.shape)}."
        )
    kinds = logits[:, -len(KINDS) :] if logits.shape[1] in widths[2:] else logits[:, :0]
    return logits[:, :first], logits[:, first:last], kinds
