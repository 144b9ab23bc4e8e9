"""A slice (C, H, W) and a volume (C, H, W, S) seen as one batch of 2D images, and back."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor


def to_slices(image: NdarrayOrTensor) -> torch.Tensor:
    """View an image as the batch of its slices, without metadata.

    Args:
        image: one slice (C, H, W) or a volume (C, H, W, S); array, tensor or MetaTensor of any dtype.

    Returns:
        Plain tensor (S, C, H, W) of the same dtype; S is 1 for a single slice.

    Raises:
        ValueError: if the image has neither three nor four dimensions.
    """
    if image.ndim not in (3, 4):
        raise ValueError(
            f"An image of shape {tuple(image.shape)} is neither a slice (C, H, W) nor a volume (C, H, W, S): "
            "add the channel dimension first."
        )
    plain = image.as_tensor() if isinstance(image, MetaTensor) else torch.as_tensor(image)
    return plain.movedim(-1, 0) if plain.ndim == 4 else plain.unsqueeze(0)


def from_slices(slices: torch.Tensor, image: NdarrayOrTensor, to_input: np.ndarray | None = None) -> torch.Tensor:
    """Give a batch of slices the layout and the metadata of the image that it was made from.

    Args:
        slices: tensor (S, C, H, W).
        image: the image that `to_slices` saw.
        to_input: 3x3 homogeneous matrix from (row, column) of the result to (row, column) of `image`, where the
            transform moved pixels; the affine of a MetaTensor follows it.

    Returns:
        Tensor (C, H, W) or (C, H, W, S); a MetaTensor with the metadata of `image` where `image` is one.
    """
    plain = slices.movedim(0, -1) if image.ndim == 4 else slices[0]
    if not isinstance(image, MetaTensor):
        return plain
    result = MetaTensor(plain, meta=image.meta, applied_operations=image.applied_operations)
    if to_input is not None:
        result.affine = moved_affine(image.affine, to_input)
    return result


def moved_affine(affine: torch.Tensor, to_input: np.ndarray) -> torch.Tensor:
    """The affine of an image whose pixels were moved within the plane of the slices.

    Args:
        affine: 4x4 of the image before.
        to_input: 3x3 homogeneous matrix from (row, column) of the result to (row, column) of that image.

    Returns:
        4x4, of the dtype and on the device of `affine`.
    """
    step = torch.eye(len(affine), dtype=affine.dtype, device=affine.device)
    moved = torch.as_tensor(to_input, dtype=affine.dtype, device=affine.device)
    step[:2, :2] = moved[:2, :2]
    step[:2, -1] = moved[:2, 2]
    return affine @ step
