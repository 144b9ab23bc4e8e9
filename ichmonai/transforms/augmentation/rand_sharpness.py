"""Random sharpening in the plane of the slices."""

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import RandomizableTransform

from ichmonai.transforms.dictionary import RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class RandSharpness(RandomizableTransform):
    """Sharpen with a probability, as `torchvision.transforms.RandomAdjustSharpness(factor, prob)` does.

    Args:
        factor: 0 blurs, 1 changes nothing, 2 doubles the sharpness (DTViT: 2).
        prob: probability that an image is sharpened.

    Raises:
        ValueError: if `factor` is negative.

    Example:
        >>> import torch
        >>> sharpen = RandSharpness(2, prob=1.0)
        >>> sharpen(torch.rand(3, 64, 64)).shape
        torch.Size([3, 64, 64])
    """

    def __init__(self, factor: float = 2.0, prob: float = 0.5) -> None:
        super().__init__(prob)
        if factor < 0:
            raise ValueError(f"RandSharpness needs a factor of 0 or more, not {factor}.")
        self.factor = factor

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Sharpen an image.

        Args:
            img: values in [0, 1], (C, H, W) or (C, H, W, S).
            randomize: draw first whether to sharpen; otherwise use the last draw.

        Returns:
            float32 in [0, 1], shape of the input.
        """
        if randomize:
            self.randomize(None)
        slices = to_slices(img).float()
        if self._do_transform:
            # torchvision takes 1 or 3 channels only: any number of them goes in as a batch of grey images.
            grey = slices.reshape(-1, 1, *slices.shape[-2:])
            from torchvision.transforms.v2 import functional as tvf  # which takes a second, and only training needs it

            slices = tvf.adjust_sharpness(grey, self.factor).reshape(slices.shape)
        return from_slices(slices, img)


RandSharpnessd = RandDictionaryTransform.of(RandSharpness)
