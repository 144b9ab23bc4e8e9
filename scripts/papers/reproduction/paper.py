"""The numbers that the two papers print.

DTViT: Fan et al., Scientific Reports 14 (2024), Tables 3 and 4; of Figures 5 and 7 and the text on batch and patch size
the values are those of the published notebooks that drew them. Scopeformer: Barhoumi and Rasool (2021), Table 1.
"""

from typing import NamedTuple

METRICS = ("accuracy", "precision", "recall", "f1", "specificity")
"""Columns of Tables 3 and 4, in the paper's order."""

TASKS = ("task1", "task2")
"""Haemorrhage or none; location."""

Printed = dict[str, tuple[float, ...]]
"""Task -> `METRICS`."""

TABLE3: dict[bool, Printed] = {
    True: {"task1": (1, 1, 1, 1, 1), "task2": (0.996, 0.998, 0.997, 0.997, 1)},
    False: {"task1": (0.996, 0.991, 1, 0.995, 0.995), "task2": (0.992, 0.994, 0.996, 0.995, 0.995)},
}
"""With data augmentation (replication) and without."""

TABLE4: dict[str, Printed] = {
    "dtvit": {"task1": (0.9968, 0.9935, 0.9978, 0.9957, 0.9962), "task2": (0.9937, 0.9966, 0.9949, 0.9957, 1)},
    "resnet18": {"task1": (0.9992, 0.9978, 1, 0.9989, 0.9987), "task2": (0.9837, 0.9801, 0.9983, 0.9891, 1)},
    "alexnet": {"task1": (0.9984, 0.9978, 0.9978, 0.9978, 0.9987), "task2": (0.9812, 0.9768, 1, 0.9883, 0.9948)},
    "squeezenet1_0": {
        "task1": (0.9944, 0.9872, 0.9978, 0.9925, 0.9925),
        "task2": (0.9207, 0.9163, 0.9911, 0.9522, 0.9611),
    },
    "densenet161": {
        "task1": (0.9921, 0.9850, 0.9935, 0.9892, 0.9912),
        "task2": (0.9823, 0.9864, 0.9931, 0.9898, 0.9898),
    },
    "cvt_21": {"task1": (0.9992, 0.9978, 1, 0.9989, 0.9987), "task2": (0.9662, 0.9622, 0.9949, 0.9783, 0.9946)},
}
"""By network; `dtvit` is the paper's own."""


class Curve(NamedTuple):
    """What a training curve shows; None where the paper does not give it."""

    train_accuracy_first: float | None = None
    train_accuracy_last: float | None = None
    val_accuracy_first: float | None = None
    val_accuracy_last: float | None = None
    val_accuracy_best: float | None = None
    val_loss_first: float | None = None
    val_loss_last: float | None = None
    seconds: float | None = None


FIG5 = {
    True: Curve(0.9582, 0.9970, 0.9889, 0.9967, None, 0.068, 0.024, 3771),
    False: Curve(0.9382, 0.9963, 0.9640, 0.9897, None, 0.219, 0.077, 1455),
}
"""With replication and without; seconds on an RTX 4090."""

FIG7 = {
    1e-3: Curve(None, 0.801, None, 0.759, 0.814, None, 1.31),
    1e-4: Curve(None, 0.982, None, 0.974, None, None, 0.152, 4419),
    2e-5: Curve(None, 0.9958, None, 0.9842, 0.9881, None, 0.105, 4451),
    5e-6: Curve(None, 0.994, None, 0.983, None, None, 0.132),
}
"""By learning rate, batch 32; seconds on an A10. The learning rate of 2e-5 is the text's, not in the figure."""

BATCH = {
    32: Curve(None, 0.9958, None, 0.9842, 0.9881, None, 0.105, 4419),
    8: Curve(None, 0.9934, None, 0.9834, None, None, 0.123, 5223),
}
"""By batch size; seconds on an A10, as the text gives them."""

PATCH = {
    16: Curve(val_accuracy_best=0.9881, seconds=4451),
    32: Curve(val_accuracy_best=0.9858, seconds=1544),
}
"""By patch size; seconds on an A10."""

FIG6_TASK1 = ((458, 1), (0, 807))
"""Confusion matrix of 1266 test slices by the text, rows true: normal, haemorrhage. Task 2's is in the figure alone."""

RTX_4090 = 24.7e12
"""Floating-point operations a second that the paper's training with replication comes to on its RTX 4090: ten epochs of
24,178 slices there and back and of 3,022 forth alone, at 123.1 GFLOP forth, in 3771 s."""

A10_GIB = 22.0
"""Memory that an A10 of 24 GB leaves to a training."""

RSNA_SLICES = 752_803
"""Labelled slices of the RSNA 2019 challenge's second stage, which Scopeformer was trained on."""

SCOPEFORMER_TABLE1 = {
    "scopeformer_vit": ("ViT", (0.9433, 0.1822)),
    "scopeformer_1cnn": ("1-CNN-ViT (GAN)", (0.9695, 0.08272)),
    "scopeformer_2cnn": ("2-CNN-ViT (ImageNet/GAN)", (0.9746, 0.07754)),
    "scopeformer_3cnn": ("3-CNN-ViT (ImageNet/ImageNet/GAN)", (0.9804, 0.07050)),
    "scopeformer_2cnn_reduced": ("2-CNN-ViT (ImageNet/GAN), 7x7x256", (0.9758, 0.07903)),
}
"""Registry name -> the paper's, validation accuracy and loss."""
