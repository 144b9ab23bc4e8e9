"""Crop a square around the head."""

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.transforms.transform import Transform
from torch.nn import functional as F

from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.head_mask import head_mask
from ichmonai.transforms.inplane import from_slices, to_slices
from ichmonai.transforms.remove_head_holder import AIR_HU


class CropToHead(Transform):
    """Crop the square that holds the head, so that its size and place in the field of view no longer matter.

    The square is centred on the bounding box of `ichmonai.transforms.head_mask.head_mask`, all slices of a volume taken
    together, and has one window for all of them. Its side is the longer side of that box plus the margin; where it
    leaves the image it is padded. Nothing is scaled. Without a head the whole image is kept, padded to a square. The
    affine of a MetaTensor follows.

    Args:
        margin: added on each side, as a fraction of the longer side of the head's box.
        fill: HU of the padding.
        outside: HU of everything outside the head where that was removed before, by `RemoveHeadHolder(fill=outside)`:
            the head need not be looked for again then. A value that no scanner gives, such as -2000.

    Raises:
        ValueError: if `margin` is negative.

    Example:
        >>> import torch
        >>> hu = torch.full((1, 128, 160), -1000.0)
        >>> hu[0, 20:80, 90:130] = 40.0
        >>> CropToHead(margin=0.1)(hu).shape[1:]  # 60 rows, their outline, and the margin
        torch.Size([74, 74])
    """

    def __init__(self, margin: float = 0.05, fill: float = AIR_HU, outside: float | None = None) -> None:
        if margin < 0:
            raise ValueError(f"CropToHead needs a margin of 0 or more, not {margin}.")
        self.margin = margin
        self.fill = fill
        self.outside = outside

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Crop an image.

        Args:
            img: HU, (1, H, W) or (1, H, W, S).

        Returns:
            float32 (1, side, side) or (1, side, side, S).

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"CropToHead takes one channel of HU; this image has {img.shape[0]}.")
        slices = to_slices(img).float()
        height, width = slices.shape[-2:]
        if self.outside is None:
            plane = torch.as_tensor(head_mask(img[0])).reshape(height, width, -1).any(dim=-1)
        else:
            plane = (slices[:, 0] != self.outside).any(dim=0)
        if plane.any():
            rows, columns = plane.any(1).nonzero().flatten(), plane.any(0).nonzero().flatten()
            box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            extent = max(box[1] - box[0], box[3] - box[2])
            side = extent + 2 * round(self.margin * extent)
        else:
            box, side = (0, height, 0, width), max(height, width)
        top, left = (box[0] + box[1] - side) // 2, (box[2] + box[3] - side) // 2
        # A negative padding crops.
        padding = (-left, left + side - width, -top, top + side - height)
        cropped = F.pad(slices, padding, value=self.fill)
        return from_slices(cropped, img, np.array([[1, 0, top], [0, 1, left], [0, 0, 1]]))


class CropToHeadd(DictionaryTransform):
    """Dictionary version of `CropToHead`.

    Args:
        keys: keys of the images.
        margin: see `CropToHead`.
        fill: see `CropToHead`.
        outside: see `CropToHead`.
        allow_missing_keys: do not raise if a key is missing.

    Example:
        >>> import torch
        >>> CropToHeadd("image")({"image": torch.full((1, 32, 48), -1000.0)})["image"].shape
        torch.Size([1, 48, 48])
    """

    def __init__(
        self,
        keys: KeysCollection,
        margin: float = 0.05,
        fill: float = AIR_HU,
        outside: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, CropToHead(margin, fill, outside), allow_missing_keys)
