"""What a reader is shown of a series: its slices in the brain window, and what the network saw."""

from dataclasses import dataclass

import numpy as np
from monai.config.type_definitions import NdarrayOrTensor
from numpy.typing import NDArray

from ichmonai.transforms.inplane import to_slices

WINDOW = (0.0, 80.0)
"""HU from black to white: that of the DTViT paper, the usual one of the brain."""


@dataclass
class Pictures:
    """Pictures of a series.

    Attributes:
        slices: uint8 (S, H, W), inferior to superior, HU 0 to 80 as 0 to 255.
        network_input: uint8 (h, w), the first channel of the leading slice as the network saw it.
        spacing: mm between rows and between columns.
        placed: whether it is known which side is the patient's left; then it is the right one of each picture.
    """

    slices: NDArray[np.uint8]
    network_input: NDArray[np.uint8]
    spacing: tuple[float, float]
    placed: bool = False


def brain_window(image: NdarrayOrTensor) -> NDArray[np.uint8]:
    """Slices of HU as grey values.

    Args:
        image: HU, (1, H, W) or (1, H, W, S).

    Returns:
        uint8 (S, H, W).
    """
    hu = to_slices(image)[:, 0].numpy()
    low, high = WINDOW
    return ((hu.clip(low, high) - low) * (255 / (high - low)) + 0.5).astype(np.uint8)


def as_seen(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The first channel of what a network is given, from its darkest to its brightest value.

    Args:
        image: (C, H, W).

    Returns:
        uint8 (H, W).
    """
    channel = image[0].astype(np.float32)
    low, high = float(channel.min()), float(channel.max())
    return ((channel - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
