"""JPEG compression of random quality."""

import io

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.transforms.transform import RandomizableTransform
from PIL import Image

from ichmonai.transforms.dictionary import RandDictionaryTransform
from ichmonai.transforms.inplane import from_slices, to_slices


class RandCompressHU(RandomizableTransform):
    """Export to an 8-bit JPEG of random quality and read it again, as half of all public slices were.

    Where some sources were compressed and others not, blocks and rings would tell them apart, and with them the label.

    Args:
        quality: lowest and highest quality, whole numbers from 1 to 100.
        limits: HU of black and of white in the export.
        prob: probability that an image is compressed.

    Raises:
        ValueError: if the qualities or the limits are not in order, or a quality is none of JPEG.

    Example:
        >>> compress = RandCompressHU(quality=(30, 30), prob=1)
        >>> image = torch.arange(64.0).reshape(1, 8, 8)
        >>> 0 < float((compress(image) - image).abs().max()) < 20
        True
    """

    def __init__(
        self, quality: tuple[int, int] = (40, 95), limits: tuple[float, float] = (0.0, 80.0), prob: float = 0.5
    ) -> None:
        super().__init__(prob)
        if not 1 <= quality[0] <= quality[1] <= 100 or limits[0] >= limits[1]:
            raise ValueError(
                f"RandCompressHU needs qualities from 1 to 100 and limits, both in order, not {quality} and {limits}."
            )
        self.quality = quality
        self.limits = limits
        self.drawn = quality[1]

    def randomize(self, data: object = None) -> None:
        """Draw whether to compress, and the quality."""
        super().randomize(data)
        self.drawn = int(self.R.randint(self.quality[0], self.quality[1] + 1))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """Compress an image.

        Args:
            img: HU, (C, H, W) or (C, H, W, S); each channel and slice is an image of its own.
            randomize: draw first; otherwise use the last draw.

        Returns:
            float32 of the same shape, within the limits where it was compressed.
        """
        if randomize:
            self.randomize()
        slices = to_slices(img).float()
        if not self._do_transform:
            return from_slices(slices, img)
        low, high = self.limits
        grey = ((slices - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        stored = np.stack([_stored(one, self.drawn) for one in grey.reshape(-1, *grey.shape[-2:])])
        changed = torch.from_numpy(stored.reshape(grey.shape)).to(slices)
        return from_slices(changed * ((high - low) / 255) + low, img)


RandCompressHUd = RandDictionaryTransform.of(RandCompressHU)


def _stored(grey: np.ndarray, quality: int) -> np.ndarray:
    """What is read of a JPEG of a picture, uint8 (H, W)."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))
