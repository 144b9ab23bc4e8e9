"""The difference between the left and the right of the head as a channel."""

import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.transforms.transform import Transform

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

EDGE = 0.02
"""What is this near to black or white is air, fat or bone; blood of more than 78 HU is, too, in a window of 0 to 80."""


class MirrorDifference(Transform):
    """Put an image beside its difference to its own mirror image, for networks of three channels.

    A haemorrhage is rarely on both sides alike, while ventricles and calcifications mostly are. Bone and air are left
    out of the comparison, since heads lie turned and skull bases are uneven. The mirror is the middle of the image:
    crop to the head first.

    Example:
        >>> MirrorDifference()(torch.tensor([[[1.0, 0.75, 0.25, 0.5]]]))[2].tolist()  # bone beside 0.5: no difference
        [[0.5, 0.75, 0.25, 0.5]]
    """

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Add the difference.

        Args:
            img: values in [0, 1], (1, H, W) or (1, H, W, S).

        Returns:
            float32 in [0, 1], (3, H, W) or (3, H, W, S): the image twice, so that backbones pretrained on colours find
            it where they look for brightness, and 0.5 plus half of what the image is above its mirror image; 0.5 where
            either is near 0 or 1.

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"MirrorDifference takes one channel; this image has {img.shape[0]}.")
        slices = to_slices(img).float()
        soft = (slices > EDGE) & (slices < 1 - EDGE)
        difference = ((slices - slices.flip(-1)) * (soft & soft.flip(-1)) + 1) / 2
        return from_slices(torch.cat([slices, slices, difference], dim=1), img)


class MirrorDifferenced(DictionaryTransform):
    """Dictionary version of `MirrorDifference`.

    Args:
        keys: keys of the images.
        allow_missing_keys: do not raise if a key is missing.

    Example:
        >>> MirrorDifferenced("image")({"image": torch.zeros(1, 2, 2)})["image"].shape
        torch.Size([3, 2, 2])
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, MirrorDifference(), allow_missing_keys)
