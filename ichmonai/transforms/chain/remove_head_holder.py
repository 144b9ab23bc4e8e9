"""Remove everything that is not head: holder, table, pillow, cables."""

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform

from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices

AIR_HU = -1000.0


class RemoveHeadHolder(Transform):
    """Set everything outside the head to air.

    Does what DTViT's morphological treatment describes (Data preprocessing), with the outline of
    `ichmonai.transforms.anatomy.head_mask` in place of the paper's chain: skin, ears and nose stay, and it depends
    neither on the size of the image nor on what stands in its corner. `RemoveHeadHolderAsPublished` is the original.

    Args:
        fill: HU of what is removed. The default is air. It also serves 8-bit images read back into 0..80 HU: after the
            0..80 HU window -1000 and 0 are the same black.

    Example:
        >>> import torch
        >>> hu = torch.full((1, 128, 128), -1000.0)
        >>> hu[0, 30:90, 30:90] = 40  # a head
        >>> hu[0, 110:112, 10:118] = 60  # a plate under it
        >>> RemoveHeadHolder()(hu)[0, 111, 64]
        tensor(-1000.)
    """

    def __init__(self, fill: float = AIR_HU) -> None:
        self.fill = fill

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Remove what is not head.

        Args:
            img: HU, (1, H, W) or (1, H, W, S). A volume is judged as a whole, in three dimensions.

        Returns:
            float32, shape of the input.

        Raises:
            ValueError: if the image does not have exactly one channel.
        """
        if img.shape[0] != 1:
            raise ValueError(f"RemoveHeadHolder takes one channel of HU; this image has {img.shape[0]}.")
        plain = img.as_tensor() if isinstance(img, MetaTensor) else torch.as_tensor(img)
        mask = torch.as_tensor(head_mask(img[0])).to(plain.device)
        # In one pass over the volume as it lies in memory.
        return from_slices(to_slices(torch.where(mask, plain.float(), self.fill)), img)


RemoveHeadHolderd = DictionaryTransform.of(RemoveHeadHolder)
