"""DTViT: a vision transformer with one head for haemorrhage and one for its location."""

from collections.abc import Mapping
from typing import Literal, cast

import timm
from timm.layers import PatchEmbed
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from ichmonai.classes import ICH_CLASSES, LOCATIONS
from ichmonai.errors import InputError
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.networks.encoders import check_name, create_encoder
from ichmonai.networks.weights import load_weights


class DTViT(SliceClassifier):
    """The dual-task vision transformer of Fan et al., Sci Rep 2024 (section "Structure of DTViT", Table 2).

    A timm vision transformer encodes the slice; two heads read its pooled features. The paper's backbone is ViT-L/16 at
    224 pixels: 304,326,632 parameters with its 1000-class head, 303,306,757 with the two linear heads in its place.

    Parameters are float32; run it under `torch.autocast` for bfloat16. Attention is
    `torch.nn.functional.scaled_dot_product_attention` wherever timm finds it (`fused_attn`, timm's default), which
    picks a fused kernel and computes the same as the paper's eq. 4. Only a bfloat16 training on a CPU is faster without
    (set the environment variable TIMM_FUSED_ATTN=0). The network scripts, traces and exports to ONNX.

    Args:
        backbone: timm name of a `vit_*` or (not distilled) `deit_*` model, e.g. `vit_large_patch32_224` for the paper's
            patch size 32; features are pooled as that model pools them.
        pretrained: False: random weights. True: the backbone's default weights from timm's hub. A string: a timm tag
            such as `vit_large_patch16_224.augreg_in21k_ft_in1k`, or a local file (see `load_weights`).
        image_size: height and width of the input in pixels, a multiple of the patch size; position embeddings of
            pretrained weights are resampled to it.
        head: `"linear"` (the model the published code reports) or `"mlp"` (as the paper's text has it).
        location_classes: 3: deep, lobar, subtentorial; 4: the published code's form with `normal` as a fourth.
        head_dropout: dropout probability in the MLP heads.
        drop_path_rate: stochastic depth of the encoder, rising linearly to this rate at the last block.
        gradient_checkpointing: recompute the blocks' activations in the backward pass: about a third more time, far
            less memory.
        in_channels: channels of the image.
        heads: head name -> number of outputs, in place of the paper's two, e.g. `RSNA_HEADS`.

    Raises:
        InputError: the backbone is not a timm vision transformer, the image size is no multiple of its patch size,
            `location_classes` is not 3 or 4, or the pretrained weights are another network's.

    Example:
        >>> import torch
        >>> network = DTViT("vit_tiny_patch16_224", image_size=64)
        >>> network(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        backbone: str = "vit_large_patch16_224",
        pretrained: bool | str = False,
        image_size: int = 224,
        head: Literal["linear", "mlp"] = "linear",
        location_classes: int = len(LOCATIONS),
        head_dropout: float = 0.1,
        drop_path_rate: float = 0.0,
        gradient_checkpointing: bool = False,
        in_channels: int = 3,
        heads: Mapping[str, int] | None = None,
    ) -> None:
        if location_classes not in (len(LOCATIONS), len(LOCATIONS) + 1):
            raise InputError(f"DTViT has 3 location classes, or 4 with 'normal' as the last, not {location_classes}.")
        check_name(backbone)
        if not is_vision_transformer(backbone):
            raise InputError(f"{backbone} is no vision transformer: choose one of timm's vit_* or deit_* models.")
        module, num_features = create_encoder(backbone, image_size, in_channels, drop_path_rate, gradient_checkpointing)
        encoder = cast(VisionTransformer, module)
        if isinstance(encoder, VisionTransformerDistilled):
            raise InputError(f"{backbone} has a distillation token: choose its plain form without 'distilled'.")
        patch_height, patch_width = cast(PatchEmbed, encoder.patch_embed).patch_size
        if image_size % patch_height or image_size % patch_width:
            raise InputError(f"image_size {image_size} is no multiple of the patch size {patch_height} of {backbone}.")
        if heads is None:
            heads = {"ich": len(ICH_CLASSES), "location": location_classes}
        super().__init__(encoder, num_features, in_channels, heads, head, head_dropout)
        if pretrained:
            load_weights(self, backbone if pretrained is True else pretrained)


def is_vision_transformer(name: str) -> bool:
    """Whether timm builds the model of this name as one of its plain vision transformers."""
    return name.split(".")[0] in timm.list_models(module="vision_transformer") + timm.list_models(module="deit")
