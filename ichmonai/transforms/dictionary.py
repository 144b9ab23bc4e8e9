"""What the dictionary versions of the transforms share."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, RandomizableTransform

Self = TypeVar("Self", bound="RandDictionaryTransform")


class DictionaryTransform(MapTransform):
    """Base of the dictionary versions: the array transform on each image.

    Args:
        keys: keys of the images.
        transform: the array version.
        allow_missing_keys: do not raise if a key is missing.
    """

    def __init__(self, keys: KeysCollection, transform: Callable[[Any], Any], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = transform

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images transformed."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.transform(d[key])
        return d


class RandDictionaryTransform(RandomizableTransform, MapTransform):
    """Base of the dictionary versions of random transforms: one draw for all images.

    Args:
        keys: keys of the images.
        transform: the array version, which draws; called with `randomize=False`.
        allow_missing_keys: do not raise if a key is missing.
    """

    def __init__(
        self, keys: KeysCollection, transform: RandomizableTransform, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, transform.prob)
        self.transform: Any = transform

    def set_random_state(self: Self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Seed the array transform, which draws for all keys."""
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with the images transformed alike."""
        d = dict(data)
        self.transform.randomize(None)
        for key in self.key_iterator(d):
            d[key] = self.transform(d[key], randomize=False)
        return d
