"""Crop the centre of every slice."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import Transform
from torch.nn import functional as F

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class CenterCropInPlane(Transform):
    """Crop a centred square from every slice, as `torchvision.transforms.CenterCrop(size)` does.

    Where a side is shorter than `size`, zeros are added on both sides first. The affine of a MetaTensor follows.

    Args:
        size: side of the square in pixels (DTViT: 224).

    Raises:
        ValueError: if `size` is not positive.

    Example:
        >>> import torch
        >>> CenterCropInPlane(224)(torch.zeros(1, 256, 320, 3)).shape
        torch.Size([1, 224, 224, 3])
    """

    def __init__(self, size: int = 224) -> None:
        if size < 1:
            raise ValueError(f"CenterCropInPlane needs a positive size in pixels, not {size}.")
        self.size = size

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Crop an image.

        Args:
            img: (C, H, W) or (C, H, W, S), any dtype.

        Returns:
            (C, size, size) or (C, size, size, S), dtype of the input.
        """
        slices = to_slices(img)
        top, left = (self._start(side) for side in slices.shape[-2:])
        to_input = np.array([[1, 0, top], [0, 1, left], [0, 0, 1]])
        (height, width), size = slices.shape[-2:], self.size
        cropped = F.pad(slices, [-left, left + size - width, -top, top + size - height])
        return from_slices(cropped, img, to_input)

    def _start(self, side: int) -> int:
        """First row or column of the crop; negative where the slice is padded."""
        if side < self.size:
            return -((self.size - side) // 2)
        return round((side - self.size) / 2)


CenterCropInPlaned = DictionaryTransform.of(CenterCropInPlane)
