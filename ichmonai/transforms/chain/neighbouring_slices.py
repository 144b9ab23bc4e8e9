"""2.5D input: a slice with its neighbours, first as a small volume and at the end of the chain as channels."""

from collections.abc import Hashable, Mapping, Sequence
from os import PathLike
from typing import Any

import torch
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Transform

from ichmonai.io.head_ct import load_head_ct
from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import to_slices


class LoadNeighbouringSlicesd(MapTransform):
    """Read a slice and its neighbours into one volume (1, H, W, 3) in HU: below, itself, above.

    Takes the place of `LoadHeadCTd` for items of `ichmonai.datasets.with_neighbours`. The transforms after it act on
    the volume slice by slice; `SlicesToChannelsd` ends the chain. A neighbour of another matrix size is replaced by the
    slice itself, as at the ends of a series. The meta data is that of the slice.

    Args:
        keys: the image; its paths are in the item's `neighbours`, which is taken out.

    Example:
        >>> paths = ["a.dcm", "b.dcm", "c.dcm"]
        >>> LoadNeighbouringSlicesd("image")({"image": "b.dcm", "neighbours": paths})  # doctest: +SKIP
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)
        if len(self.keys) != 1:
            raise ValueError(f"LoadNeighbouringSlicesd reads one image, not {len(self.keys)}.")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the image read.

        Raises:
            HeadCTReadError: when one of the slices cannot be read.
            KeyError: when the item has no `neighbours`.
        """
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = _load(d.pop("neighbours"), d[key])
        return d


class SlicesToChannels(Transform):
    """Turn a volume of few slices into one slice with as many channels.

    Example:
        >>> SlicesToChannels()(torch.zeros(1, 224, 224, 3)).shape
        torch.Size([3, 224, 224])
    """

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Move the slices into the channels.

        Args:
            img: (C, H, W, S) of any dtype; a slice (C, H, W) stays as it is.

        Returns:
            (S * C, H, W): the channels of the lowest slice first. A MetaTensor keeps its metadata.

        Raises:
            ValueError: if the image has neither three nor four dimensions.
        """
        plain = to_slices(img).flatten(0, 1).contiguous()
        if not isinstance(img, MetaTensor):
            return plain
        return MetaTensor(plain, meta=img.meta, applied_operations=img.applied_operations)


SlicesToChannelsd = DictionaryTransform.of(SlicesToChannels)


def _load(paths: Sequence[str | PathLike], own: str | PathLike) -> MetaTensor:
    read = {path: load_head_ct(path) for path in dict.fromkeys([own, *paths])}  # the ends repeat a path
    image = read[own]
    slices = [one if one.shape == image.shape else image for one in (read[path] for path in paths)]
    volume = torch.stack([one.as_tensor() for one in slices], dim=-1)
    return MetaTensor(volume, meta=image.meta)
