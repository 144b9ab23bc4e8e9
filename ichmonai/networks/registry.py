"""One name for each network, so that a line of a config changes it."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from ichmonai.clinical.columns import Column
from ichmonai.errors import InputError
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.networks.clinical import ClinicalBranch
from ichmonai.networks.dtvit import DTViT, is_vision_transformer
from ichmonai.networks.encoders import check_name, create_encoder
from ichmonai.networks.heads import DUAL_HEADS
from ichmonai.networks.scopeformer import XCEPTION, Scopeformer
from ichmonai.networks.weights import load_weights

SCOPEFORMERS: Mapping[str, Mapping[str, Any]] = {
    "scopeformer_vit": {"branches": ()},
    "scopeformer_1cnn": {"branches": (XCEPTION,)},
    "scopeformer_2cnn": {"branches": (XCEPTION,) * 2},
    "scopeformer_2cnn_reduced": {"branches": (XCEPTION,) * 2, "reduced_channels": 128},
    "scopeformer_3cnn": {"branches": (XCEPTION,) * 3},
}
"""The rows of Table 1 of the Scopeformer paper, as arguments of `Scopeformer`. There `scopeformer_vit` has 256 px."""

LIGHT: Mapping[str, Any] = {"branches": ("tf_efficientnet_lite0",), "width": 192, "depth": 2, "num_heads": 3}
"""A Scopeformer for computers without a GPU: one EfficientNet-lite, made for (pixel - 127) / 128, and a small ViT."""

_BY_BRANCHES: Mapping[str, Mapping[str, Any]] = {**SCOPEFORMERS, "light": LIGHT}


def create_network(
    name: str,
    pretrained: bool | str | Sequence[bool | str] = False,
    image_size: int = 224,
    in_channels: int = 3,
    heads: Mapping[str, int] = DUAL_HEADS,
    head: Literal["linear", "mlp"] = "linear",
    head_dropout: float = 0.1,
    drop_path_rate: float = 0.0,
    gradient_checkpointing: bool = False,
    mask_classes: int = 0,
    clinical: Sequence[Mapping[str, Any]] = (),
    **scopeformer_options: Any,
) -> SliceClassifier:
    """Build any of the papers' networks, or any other that timm has, under the same heads.

    | name | network |
    | --- | --- |
    | `vit_large_patch16_224` and timm's other `vit_*`, `deit_*` | `DTViT` |
    | `scopeformer_vit`, `_1cnn`, `_2cnn`, `_2cnn_reduced`, `_3cnn` | `Scopeformer`, the rows of its paper's Table 1 |
    | `light` | `Scopeformer` with an EfficientNet-lite0 branch and a small ViT: 3.3 million parameters |
    | `alexnet`, `squeezenet1_0` | torchvision's, as DTViT's paper compares them |
    | `cvt_21` | that of `transformers` (extra `cvt`) |
    | any other timm name, e.g. `resnet18`, `densenet161`, `edgenext_small`, `mobilevit_s` | timm's |

    Of these, `cvt_21` and timm's `mobilevitv2_*` can only be traced for TorchScript; the others script, too.

    Args:
        name: as in the table.
        pretrained: False: random weights. True: the network's default weights, fetched from its library's hub. A
            string: a timm tag, a local file or an installed package of weights (see `load_weights`). For a Scopeformer,
            the weights of its branches, one for all or a sequence of one for each.
        image_size: height and width of the input in pixels.
        in_channels: channels of the image; pretrained first convolutions of 3 channels are adapted.
        heads: head name -> number of outputs: `DUAL_HEADS`, `RSNA_HEADS` or any other.
        head: `"linear"` or `"mlp"`.
        head_dropout: dropout probability in the MLP heads.
        drop_path_rate: stochastic depth, for networks that have it.
        gradient_checkpointing: recompute activations in the backward pass, for networks that can.
        mask_classes: of the mask that `SliceClassifier.with_mask` gives, for a Scopeformer with branches such as
            `light`; 0: none.
        clinical: columns of clinical data that a `ClinicalBranch` reads, as `ichmonai.clinical.fit_columns` gives them;
            none: no branch.
        **scopeformer_options: for a Scopeformer, the rest of its arguments, such as `frozen`, `branches`, `depth`.

    Returns:
        The network: (B, in_channels, image_size, image_size) -> logits (B, K).

    Raises:
        InputError: the name is not known, an option does not fit the network, or the weights cannot be loaded.

    Example:
        >>> import torch
        >>> from ichmonai.networks.heads import RSNA_HEADS
        >>> create_network("resnet18", heads=RSNA_HEADS)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 6])
    """
    check_name(name, also=_BY_BRANCHES)
    common: dict[str, Any] = {
        "image_size": image_size,
        "in_channels": in_channels,
        "heads": heads,
        "head": head,
        "head_dropout": head_dropout,
        "drop_path_rate": drop_path_rate,
    }
    if mask_classes:
        scopeformer_options["mask_classes"] = mask_classes
    options = {**_BY_BRANCHES.get(name, {}), **scopeformer_options}
    if options and name not in _BY_BRANCHES:
        raise InputError(f"{name} takes no {', '.join(scopeformer_options)}: these are options of a Scopeformer.")
    network: SliceClassifier
    if name in _BY_BRANCHES:
        network = Scopeformer(**options, **common, gradient_checkpointing=gradient_checkpointing)
    elif is_vision_transformer(name):
        network = DTViT(name, **common, gradient_checkpointing=gradient_checkpointing)
    else:
        encoder, num_features = create_encoder(name, image_size, in_channels, drop_path_rate, gradient_checkpointing)
        network = SliceClassifier(encoder, num_features, in_channels, heads, head, head_dropout)
    network.arguments = json.loads(json.dumps({"name": name, **common, **options}))
    if clinical:
        network.clinical = ClinicalBranch([Column.of(one).width for one in clinical], network.num_features)
        network.arguments["clinical"] = json.loads(json.dumps(list(clinical)))
    return load_pretrained(network, pretrained)


def load_pretrained(
    network: SliceClassifier, pretrained: bool | str | Sequence[bool | str], start: str | PathLike | None = None
) -> SliceClassifier:
    """Load the weights that a training begins with into a network.

    Args:
        network: as `create_network` gave it, changed in place.
        pretrained: as of `create_network`: weights of an encoder that were trained on something else.
        start: file of weights of this network, which take the place of `pretrained`; heads and a decoder that it lacks
            stay at their initial values.

    Returns:
        The same network.

    Raises:
        InputError: the weights cannot be loaded, or are of another network.
    """
    if start:
        load_weights(network, Path(start))
    elif isinstance(network, Scopeformer):
        network.load_branches(pretrained)
    elif not isinstance(pretrained, bool | str):
        raise InputError(
            f"{network.arguments['name']} takes weights of one file or tag, not {list(pretrained)}; a Scopeformer has "
            "several."
        )
    elif pretrained:
        load_weights(network, network.arguments["name"] if pretrained is True else pretrained)
    return network
