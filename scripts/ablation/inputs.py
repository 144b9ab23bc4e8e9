"""What the light network's input was tried with, and does not have."""

from collections.abc import Hashable, Mapping

import torch
from monai.transforms import MapTransform, RandomizableTransform

from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.inplane import from_slices, to_slices


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


class MirrorDifferenced(MapTransform):
    """Put an image twice beside half its difference to its own mirror image, where neither is bone or air.

    A haemorrhage is rarely on both sides alike, while ventricles and calcifications mostly are.

    Args:
        keys: images in [0, 1], (1, H, W) or (1, H, W, S).
        edge: what is this near to 0 or 1 is air, fat or bone.
    """

    def __init__(self, keys: str, edge: float = 0.02) -> None:
        super().__init__(keys)
        self.edge = edge

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Return the data with images of three channels."""
        d = dict(data)
        for key in self.key_iterator(d):
            slices = to_slices(d[key])
            soft = (slices > self.edge) & (slices < 1 - self.edge)
            difference = ((slices - slices.flip(-1)) * (soft & soft.flip(-1)) + 1) / 2
            d[key] = from_slices(torch.cat([slices, slices, difference], dim=1), d[key])
        return d
