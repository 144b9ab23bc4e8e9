"""Slices for training, cached up to the first random transform."""

from collections.abc import Sequence
from typing import Any

from monai.data import CacheDataset
from monai.transforms.compose import Compose

from ichmonai.datasets.item import Item


class SliceDataset(CacheDataset):
    """A `CacheDataset` whose random transforms are seeded by the sampler, draw by draw.

    An index may come with a seed, as `EpochSampler` gives it. The augmentation of a draw then depends on neither the
    number of workers nor of processes, nor on whether the training was interrupted.

    Args:
        data: datalist of N slices.
        transform: the chain; its deterministic beginning runs once for each slice and is kept in memory.
        cache_rate: share of the slices whose beginning is kept, 0..1. A slice of 224x224 takes 0.2 MB.
        workers: threads that fill the cache.
    """

    def __init__(self, data: Sequence[Item], transform: Compose, cache_rate: float = 1.0, workers: int = 4) -> None:
        super().__init__(data, transform, cache_rate=cache_rate, num_workers=workers, progress=False, copy_cache=False)

    def __getitem__(self, index: int | slice | Sequence[int]) -> Any:
        """Return the item at an index, or at an (index, seed) pair with its random transforms seeded."""
        if isinstance(index, tuple):
            index, seed = index  # MONAI has no other use for a pair of integers
            self.transform.set_random_state(seed)
        return super().__getitem__(index)
