"""Normalise with the channel statistics of the pretrained backbone."""

from collections.abc import Sequence

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import Transform

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class NormalizeImageNet(Transform):
    """Subtract a mean and divide by a standard deviation, channel by channel.

    An image of one channel is repeated to the number of means first, so that a grey CT slice fits a backbone
    pretrained on RGB images.

    Args:
        mean: one mean per output channel, for inputs in [0, 1].
        std: as many standard deviations.

    Raises:
        ValueError: if `mean` and `std` differ in length or a deviation is not positive.

    Example:
        >>> import torch
        >>> NormalizeImageNet()(torch.full((1, 2, 2), 0.485)).shape
        torch.Size([3, 2, 2])
    """

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        if len(mean) != len(std) or any(value <= 0 for value in std):
            raise ValueError(f"NormalizeImageNet needs as many positive deviations as means, not {mean} and {std}.")
        self.mean = tuple(mean)
        self.std = tuple(std)

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Normalise an image.

        Args:
            img: values in [0, 1], (C, H, W) or (C, H, W, S); C is 1 or the number of means.

        Returns:
            float32 (len(mean), H, W) or (len(mean), H, W, S).

        Raises:
            ValueError: if the number of channels is neither 1 nor the number of means.
        """
        if img.shape[0] not in (1, len(self.mean)):
            raise ValueError(f"NormalizeImageNet takes 1 or {len(self.mean)} channels, not {img.shape[0]}.")
        slices = to_slices(img).float()
        mean = torch.tensor(self.mean, device=slices.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=slices.device).view(-1, 1, 1)
        return from_slices((slices - mean) / std, img)


NormalizeImageNetd = DictionaryTransform.of(NormalizeImageNet)
