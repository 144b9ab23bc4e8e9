"""The mask of a network, laid over the file that was read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from ichmonai.errors import InputError
from ichmonai.io.geometry import Geometry
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.prediction.blood import Blood


def blood_over_image(
    network: SliceClassifier, inferer: Callable[..., Any], image: MetaTensor
) -> tuple[NDArray[np.uint8], dict[str, str], list[dict[str, str]]]:
    """Mark the blood on the grid of the file that was read.

    Args:
        network: one with a mask, in evaluation mode.
        inferer: how it runs on slices.
        image: the network's input, (C, H, W) or (C, H, W, S), out of the bundle's preprocessing.

    Returns:
        uint8 (I, J, K), the shape and axes of the input file (of a DICOM series columns, rows, slices), whose affine is
        `image.meta["original_affine"]`: 0 or i + 1 for the kind i of `KINDS`. With it the volumes of the study and the
        areas of its slices, see `Blood.columns`.

    Raises:
        InputError: the image has no geometry, or the network's answer is no number.
    """
    meta: dict[str, Any] = image.meta
    name = meta.get("filename_or_obj", "The image")
    if "original_affine" not in meta:
        raise InputError(f"{name} has no geometry, so nothing can be laid over it; give a volume or a DICOM series.")
    volume = image.as_tensor().reshape(*image.shape[:3], -1)
    with torch.inference_mode():
        device = next(network.parameters()).device
        found: tuple[Tensor, Tensor] = inferer(volume[None].to(device), network.with_mask())
    blood = Blood.of(found[1][0].cpu(), meta)
    if blood is None:
        raise InputError(f"The network gives no mask of {name}; look at its weights.")
    geometry = Geometry.beside(meta)
    return geometry.in_original_axes(blood.mask), *blood.columns(geometry)
