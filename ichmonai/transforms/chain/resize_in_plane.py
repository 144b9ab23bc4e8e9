"""Resize every slice so that its shorter side has a given length."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import Transform
from torch.nn import functional as F

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class ResizeInPlane(Transform):
    """Resize slices to `size` along their shorter side, as `torchvision.transforms.Resize(size)` does.

    Bilinear with antialiasing; the aspect ratio is kept, the number of slices is not touched. The affine of a
    MetaTensor follows.

    Args:
        size: length of the shorter side in pixels (DTViT: 256).

    Raises:
        ValueError: if `size` is not positive.

    Example:
        >>> import torch
        >>> ResizeInPlane(256)(torch.zeros(1, 512, 640, 3)).shape
        torch.Size([1, 256, 320, 3])
    """

    def __init__(self, size: int = 256) -> None:
        if size < 1:
            raise ValueError(f"ResizeInPlane needs a positive size in pixels, not {size}.")
        self.size = size

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Resize an image.

        Args:
            img: (C, H, W) or (C, H, W, S), any numeric dtype.

        Returns:
            float32 (C, H', W') or (C, H', W', S) with min(H', W') = size.
        """
        slices = to_slices(img).float()
        height, width = slices.shape[-2:]
        longer = int(self.size * max(height, width) / min(height, width))
        size = (longer, self.size) if height > width else (self.size, longer)
        resized = F.interpolate(slices, size, mode="bilinear", antialias=True)
        # Pixel centres: the result's index i lies at (i + 1/2) * scale - 1/2 of the input.
        scale = np.array(slices.shape[-2:]) / np.array(resized.shape[-2:])
        to_input = np.array([[scale[0], 0, (scale[0] - 1) / 2], [0, scale[1], (scale[1] - 1) / 2], [0, 0, 1]])
        return from_slices(resized, img, to_input)


ResizeInPlaned = DictionaryTransform.of(ResizeInPlane)
