"""What a slice teaches besides its label: the kinds of its haemorrhages and where they are."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.datasets.item import DatasetError
from ichmonai.io import load_head_ct

_GREY = (127.5, 255.0)
"""The window in which a grey value stands for itself."""


class LoadTargetsd(MapTransform):
    """Give every item kinds and a mask, whatever is known of them, so that all have the same.

    Args:
        keys: key of the image in HU, (1, H, W), as `LoadHeadCTd` gave it.
        label_key: of the label, (2,).
        kinds_key: of the kinds, float32 (5,); nan of all where an item has none, and of a slice without haemorrhage 0.
        mask_key: of the path of the mask (see `load_datalist`), which becomes the mask, uint8 (1, H, W): 0 throughout
            for a slice without haemorrhage, and `UNKNOWN` throughout where there is none.

    Raises:
        DatasetError: when called, if a mask is of another size than its image or has other values.
    """

    def __init__(
        self, keys: KeysCollection, label_key: str = "label", kinds_key: str = "kinds", mask_key: str = "mask"
    ) -> None:
        super().__init__(keys)
        self.label_key = label_key
        self.kinds_key = kinds_key
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the data with kinds and mask."""
        d = dict(data)
        unknown = self.label_key not in d or d[self.label_key][0] != 0
        d.setdefault(self.kinds_key, np.full(len(KINDS), np.nan if unknown else 0, dtype=np.float32))
        for key in self.key_iterator(d):
            shape = tuple(d[key].shape)
            if path := d.get(self.mask_key):
                d[self.mask_key] = _mask(path, shape)
            else:
                d[self.mask_key] = torch.full(shape, UNKNOWN if unknown else 0, dtype=torch.uint8)
        return d


def _mask(path: str, shape: tuple[int, ...]) -> torch.Tensor:
    values = load_head_ct(path, _GREY).as_tensor()
    if tuple(values.shape) != shape:
        raise DatasetError(
            f"The mask {path} has {tuple(values.shape[1:])} pixels and its image {shape[1:]}: give one as large."
        )
    mask = values.round().to(torch.uint8)
    wrong = (mask > len(KINDS)) & (mask != UNKNOWN)
    if wrong.any():
        raise DatasetError(
            f"The mask {path} has the value {int(mask[wrong][0])}: it may have 0 to {len(KINDS)}, and {UNKNOWN} where "
            "nothing is known."
        )
    return mask
