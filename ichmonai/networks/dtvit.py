"""DTViT: a vision transformer with one head for haemorrhage and one for its location."""

from difflib import get_close_matches
from typing import Literal, cast

import timm
from timm.layers import PatchEmbed
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.labels import ICH_CLASSES, LOCATIONS
from ichmonai.networks.heads import ClassificationHeads
from ichmonai.networks.weights import load_weights


class DTViT(nn.Module):
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

    Raises:
        InputError: the backbone is not a timm vision transformer, the image size is no multiple of its patch size,
            `location_classes` is not 3 or 4, or the pretrained weights are another network's.

    Example:
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
    ) -> None:
        super().__init__()
        if location_classes not in (len(LOCATIONS), len(LOCATIONS) + 1):
            raise InputError(f"DTViT has 3 location classes, or 4 with 'normal' as the last, not {location_classes}.")
        self.encoder = _create_encoder(backbone, image_size, drop_path_rate)
        self.encoder.set_grad_checkpointing(gradient_checkpointing)
        self.heads = ClassificationHeads(
            self.encoder.num_features, {"ich": len(ICH_CLASSES), "location": location_classes}, head, head_dropout
        )
        if pretrained:
            load_weights(self, backbone if pretrained is True else pretrained)

    def forward(self, image: Tensor) -> Tensor:
        """Classify slices.

        Args:
            image: (B, 3, image_size, image_size) float, normalised as the bundle's preprocessing does.

        Returns:
            Logits (B, 2 + location_classes) float: [normal, ich | deep, lobar, subtentorial(, normal)].
        """
        return self.heads(self.encoder(image))


def _create_encoder(backbone: str, image_size: int, drop_path_rate: float) -> VisionTransformer:
    """Build a timm vision transformer without its classifier, or say in one sentence why the name will not do."""
    if not timm.is_model(backbone):
        close = get_close_matches(backbone, timm.list_models(["vit_*", "deit*"]), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models('vit_*') lists the names."
        raise InputError(f"timm {timm.__version__} knows no model {backbone!r}: {hint}")
    if backbone.split(".")[0] not in timm.list_models(module="vision_transformer") + timm.list_models(module="deit"):
        raise InputError(f"{backbone} is no vision transformer: choose one of timm's vit_* or deit_* models.")
    encoder = cast(
        VisionTransformer,
        timm.create_model(backbone, num_classes=0, img_size=image_size, drop_path_rate=drop_path_rate),
    )
    if isinstance(encoder, VisionTransformerDistilled):
        raise InputError(f"{backbone} has a distillation token: choose its plain form without 'distilled'.")
    patch_height, patch_width = cast(PatchEmbed, encoder.patch_embed).patch_size
    if image_size % patch_height or image_size % patch_width:
        raise InputError(f"image_size {image_size} is no multiple of the patch size {patch_height} of {backbone}.")
    return encoder
