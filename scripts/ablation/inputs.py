"""Further channels and masks that the light network's input was tried with."""

from collections.abc import Hashable, Mapping

import torch
from monai.transforms import MapTransform, RandomizableTransform

from ichmonai.transforms.inplane import from_slices, to_slices
from ichmonai.transforms.intracranial import intracranial_mask


class MirrorDifferenced(MapTransform):
    """Three channels out of one: the image twice, and half its difference to its mirror image, around 0.5.

    A bleeding is on one side; the crop to the head puts the midline near the middle.
    """

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Return the data with images (3, H, W) or (3, H, W, S) out of (1, ...) in [0, 1]."""
        d = dict(data)
        for key in self.key_iterator(d):
            slices = to_slices(d[key])
            difference = (slices - slices.flip(-1) + 1) / 2
            d[key] = from_slices(torch.cat([slices, slices, difference], dim=1), d[key])
        return d


class KeepIntracraniald(RandomizableTransform, MapTransform):
    """Black out what is not inside the skull, where the skull is found; with a probability.

    Args:
        keys: images of HU, (1, H, W) or (1, H, W, S).
        prob: 1 for prediction; less in training, so that the network knows the images whose skull is not found.
    """

    def __init__(self, keys: str, prob: float = 1.0) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Return the data with 0 HU outside the skull."""
        d = dict(data)
        self.randomize(None)
        for key in self.key_iterator(d) if self._do_transform else ():
            inside = torch.as_tensor(intracranial_mask(torch.as_tensor(d[key])[0]))
            d[key] = d[key] * inside if inside.any() else d[key]
        return d
