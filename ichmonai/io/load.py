"""The first transform of every chain: path to HU."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config.type_definitions import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Transform

from ichmonai.io.head_ct import DTVIT_WINDOW, Image, load_head_ct


class LoadHeadCT(Transform):
    """Read head CT into HU; see `load_head_ct`.

    Args:
        window: level and width in HU that 0..255 of an 8-bit image stands for.

    Example:
        >>> LoadHeadCT()("study/series").shape  # doctest: +SKIP
        (1, 512, 512, 32)
    """

    def __init__(self, window: tuple[float, float] = DTVIT_WINDOW) -> None:
        self.window = window

    def __call__(self, path: Image | Sequence[Image]) -> MetaTensor:
        """Return HU, float32 (1, H, W, S) or (1, H, W)."""
        return load_head_ct(path, self.window)


class LoadHeadCTd(MapTransform):
    """Dictionary form of `LoadHeadCT`; an item that has a `window` of its own is read with that.

    Args:
        keys: keys of paths.
        window: see `LoadHeadCT`.
    """

    def __init__(self, keys: KeysCollection, window: tuple[float, float] = DTVIT_WINDOW) -> None:
        super().__init__(keys)
        self.load = LoadHeadCT(window)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the data with each path replaced by its HU."""
        load = LoadHeadCT(data["window"]) if "window" in data else self.load
        return {**data, **{key: load(data[key]) for key in self.key_iterator(data)}}
