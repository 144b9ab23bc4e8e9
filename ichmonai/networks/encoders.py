"""Encoders by name: timm's, and those that the DTViT paper compares with and timm lacks."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

import timm
import torchvision.models
from torch import Tensor, nn

from ichmonai.errors import InputError, first_line


class Encoder(NamedTuple):
    """A network without its classifier, and the width of the features it gives."""

    module: nn.Module
    num_features: int


def create_encoder(
    name: str,
    image_size: int = 224,
    in_channels: int = 3,
    drop_path_rate: float = 0.0,
    gradient_checkpointing: bool = False,
) -> Encoder:
    """Build an encoder with random weights: a network up to the features that its own classifier reads.

    Args:
        name: `alexnet` or `squeezenet1_0` (torchvision's), `cvt_21` (that of `transformers`), or any of timm's names.
        image_size: height and width of the input in pixels; what of timm's networks takes any size ignores it.
        in_channels: channels of the image.
        drop_path_rate: stochastic depth, for networks that have it.
        gradient_checkpointing: recompute activations in the backward pass, for networks that can.

    Returns:
        The module, (B, in_channels, H, W) -> (B, num_features), and num_features. As timm's models do, the module has
        a `pretrained_cfg` that names its architecture, classifier and first convolution.

    Raises:
        InputError: the name is not known, `transformers` is needed and not installed, or the network cannot be built
            so.
    """
    build = _BUILDERS.get(name, _timm_encoder)
    encoder = build(name, image_size, in_channels, drop_path_rate)
    if gradient_checkpointing:
        try:
            cast(Any, encoder.module).set_grad_checkpointing(True)
        except (AttributeError, AssertionError) as error:
            raise InputError(
                f"{name} offers no gradient checkpointing: set it to false, or halve the batch."
            ) from error
    return encoder


def check_name(name: str, also: Iterable[str] = ()) -> None:
    """Raise an `InputError` that suggests the nearest names where nobody knows the name.

    Args:
        name: what the user gave.
        also: names that are good besides this module's and timm's.

    Raises:
        InputError: the name is none of them.
    """
    ours = [*_BUILDERS, *also]
    if name in ours or timm.is_model(name):
        return
    close = get_close_matches(name, [*ours, *timm.list_models()], n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists the names."
    raise InputError(f"timm {timm.__version__} knows no model {name!r}: {hint}")


def _timm_encoder(name: str, image_size: int, in_channels: int, drop_path_rate: float) -> Encoder:
    check_name(name)
    config = timm.get_pretrained_cfg(name)
    fixed = config is not None and config.fixed_input_size
    try:
        model: Any = timm.create_model(  # timm leaves out what is None, which many constructors do not take
            name,
            num_classes=0,
            in_chans=in_channels,
            img_size=image_size if fixed else None,
            drop_path_rate=drop_path_rate or None,
        )
    except Exception as error:  # each of timm's networks has its own
        raise InputError(
            f"timm cannot build {name} with image_size {image_size}, in_channels {in_channels} and drop_path_rate "
            f"{drop_path_rate} ({first_line(error)}); change these or the network."
        ) from error
    return Encoder(model, model.head_hidden_size if hasattr(model, "head_hidden_size") else model.num_features)


def _alexnet(name: str, image_size: int, in_channels: int, drop_path_rate: float) -> Encoder:
    """AlexNet up to the 4096 features of its second fully connected layer."""
    _refuse_drop_path(name, drop_path_rate)
    model: Any = torchvision.models.alexnet(weights=None)
    model.features[0] = _with_in_channels(model.features[0], in_channels)
    model.classifier[6] = nn.Identity()
    model.pretrained_cfg = {"architecture": name, "classifier": "classifier.6", "first_conv": "features.0"}
    return Encoder(model, 4096)


def _squeezenet(name: str, image_size: int, in_channels: int, drop_path_rate: float) -> Encoder:
    """SqueezeNet 1.0's 512 feature maps, averaged: its own classifier is a 1x1 convolution before the averaging."""
    _refuse_drop_path(name, drop_path_rate)
    model: Any = torchvision.models.squeezenet1_0(weights=None)
    model.features[0] = _with_in_channels(model.features[0], in_channels)
    model.classifier = nn.AdaptiveAvgPool2d(1)
    model.pretrained_cfg = {"architecture": name, "classifier": "classifier", "first_conv": "features.0"}
    return Encoder(model, 512)


class _CvT(nn.Module):
    """CvT-21 of `transformers` up to its normalised class token, under the tensor names of the published checkpoint."""

    def __init__(self, in_channels: int, drop_path_rate: float) -> None:
        super().__init__()
        try:
            from transformers import CvtConfig, CvtForImageClassification
        except ImportError as error:
            raise InputError(
                "cvt_21 needs the package transformers, which is not installed: pip install 'ichmonai[cvt]'."
            ) from error
        model: Any = CvtForImageClassification(
            CvtConfig.from_dict(
                {
                    "num_channels": in_channels,
                    "depth": [1, 4, 16],
                    "drop_path_rate": [0.0, 0.0, drop_path_rate],
                    "num_labels": 0,
                }
            )
        )
        self.cvt, self.layernorm = model.cvt, model.layernorm
        self.pretrained_cfg = {
            "architecture": "cvt_21",
            "classifier": "classifier",
            "first_conv": "cvt.encoder.stages.0.embedding.convolution_embeddings.projection",
        }

    def forward(self, image: Tensor) -> Tensor:
        _, class_token = self.cvt(image, return_dict=False)
        return self.layernorm(class_token)[:, 0]


def _cvt_21(name: str, image_size: int, in_channels: int, drop_path_rate: float) -> Encoder:
    return Encoder(_CvT(in_channels, drop_path_rate), 384)


def _with_in_channels(convolution: nn.Conv2d, in_channels: int) -> nn.Conv2d:
    """The same convolution, of another number of input channels, with new weights."""
    if in_channels == convolution.in_channels:
        return convolution
    return nn.Conv2d(
        in_channels,
        convolution.out_channels,
        cast(tuple[int, int], convolution.kernel_size),
        cast(tuple[int, int], convolution.stride),
        cast(tuple[int, int], convolution.padding),
    )


def _refuse_drop_path(name: str, drop_path_rate: float) -> None:
    if drop_path_rate:
        raise InputError(f"{name} has no residual connections to drop: set drop_path_rate to 0.")


_BUILDERS: dict[str, Callable[[str, int, int, float], Encoder]] = {
    "alexnet": _alexnet,
    "squeezenet1_0": _squeezenet,
    "cvt_21": _cvt_21,
}
