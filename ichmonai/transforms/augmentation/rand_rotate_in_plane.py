"""Random rotation in the plane of the slices."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import RandomizableTransform

from ichmonai.transforms.dictionary import RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class RandRotateInPlane(RandomizableTransform):
    """Rotate by a random angle, as `torchvision.transforms.RandomRotation(degrees)` does but bilinear.

    The angle is uniform in [-degrees, degrees], about the centre of the image, counter-clockwise, the same for all
    slices of a volume; what comes from outside the image is `fill`. The affine of a MetaTensor follows.

    Args:
        degrees: largest angle in degrees (DTViT: 15).
        prob: probability that an image is rotated.
        fill: value outside the image: 0 after windowing, -1000 for HU.

    Example:
        >>> import torch
        >>> rotate = RandRotateInPlane(15).set_random_state(seed=0)
        >>> rotate(torch.zeros(1, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def __init__(self, degrees: float = 15.0, prob: float = 1.0, fill: float = 0.0) -> None:
        super().__init__(prob)
        self.degrees = degrees
        self.fill = fill
        self.angle = 0.0

    def randomize(self, data: object = None) -> None:
        """Draw whether to rotate and the angle in degrees."""
        super().randomize(data)
        self.angle = self.R.uniform(-self.degrees, self.degrees)

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Rotate an image.

        Args:
            img: (C, H, W) or (C, H, W, S), any numeric dtype.
            randomize: draw a new angle first; otherwise use the last one.

        Returns:
            float32, shape of the input.
        """
        if randomize:
            self.randomize()
        slices = to_slices(img).float()
        if not self._do_transform:
            return from_slices(slices, img)
        from torchvision.transforms.v2 import InterpolationMode  # which takes a second, and only training needs it
        from torchvision.transforms.v2 import functional as tvf

        rotated = tvf.rotate(slices, self.angle, InterpolationMode.BILINEAR, fill=[self.fill])
        return from_slices(rotated, img, self._to_input(slices.shape[-2], slices.shape[-1]))

    def _to_input(self, height: int, width: int) -> np.ndarray:
        centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
        cos, sin = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        return np.array(
            [
                [cos, sin, centre_row - cos * centre_row - sin * centre_column],
                [-sin, cos, centre_column + sin * centre_row - cos * centre_column],
                [0, 0, 1],
            ]
        )


RandRotateInPlaned = RandDictionaryTransform.of(RandRotateInPlane)
