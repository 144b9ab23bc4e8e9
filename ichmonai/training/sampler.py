"""The order in which training slices are drawn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from torch.utils.data import Sampler

from ichmonai import ranks
from ichmonai.datasets.balancing import PAPER_FACTORS, balancing_weights, replicated_indices, source_weights
from ichmonai.datasets.item import Item
from ichmonai.errors import InputError

Balance = Literal["replication", "weighted", "weighted_by_patient", "weighted_by_source", "none"]


class EpochSampler(Sampler[tuple[int, int]]):
    """Balanced, shuffled draws that depend on the seed and the epoch alone.

    Each draw is an (index, seed) pair for `SliceDataset`. With W processes, process r takes every W-th draw from the
    r-th on, so that W batches of size B/W, one from each process, are together the batch of size B that one process
    would draw; the last N mod W draws of an epoch are left out.

    Args:
        items: the training split, N slices.
        balance: `replication` repeats the slices of a class by its factor (DTViT), `weighted` draws N slices with
            replacement by `balancing_weights`, `weighted_by_patient` by those that share a class equally among its
            patients, `weighted_by_source` by `source_weights`, `none` draws each slice once.
        factors: repetitions by class name for `replication`; default: the paper's.
        seed: first seed of the run.
        shares: of the sources, for `weighted_by_source`; default: equal ones.
        length: draws of an epoch where they are weighted; default: N.

    Raises:
        InputError: when `balance` is none of these, or there are fewer draws than processes.
    """

    def __init__(
        self,
        items: Sequence[Item],
        balance: Balance = "replication",
        factors: Mapping[str, int] = PAPER_FACTORS,
        seed: int = 0,
        shares: Mapping[str, float] | None = None,
        length: int | None = None,
    ) -> None:
        if balance not in get_args(Balance):
            raise InputError(f"balance is {balance!r}; choose one of {', '.join(get_args(Balance))}.")
        self.indices = replicated_indices(items, factors) if balance == "replication" else np.arange(len(items))
        self.weights = None
        if balance == "weighted_by_source":
            self.weights = source_weights(items, shares)
        elif balance.startswith("weighted"):
            self.weights = balancing_weights(items, balance == "weighted_by_patient")
        self.draws = len(self.indices) if self.weights is None else length or len(self.indices)
        self.seed = seed
        self.epoch = 0
        self.rank, self.world_size = _place(self.draws)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        # Every process must have the same number of batches, or the gradient exchange of the last one waits for ever.
        return self.draws // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = rng.permutation(self.indices)
        else:
            order = rng.choice(self.indices, size=self.draws, p=self.weights)
        seeds = rng.integers(2**32, size=len(order))
        mine = slice(self.rank, len(self) * self.world_size, self.world_size)
        return zip(order[mine].tolist(), seeds[mine].tolist(), strict=True)


class ShardSampler(Sampler[int]):
    """Every slice once, in order, divided among the processes without padding, so that none is counted twice.

    Args:
        items: N slices.

    Raises:
        InputError: when there are fewer slices than processes.
    """

    def __init__(self, items: Sequence) -> None:
        rank, world_size = _place(len(items))
        self.indices = range(rank, len(items), world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)


def _place(slices: int) -> tuple[int, int]:
    """Rank and number of the processes that share some slices; one without any would let the others wait for ever."""
    rank, world_size = ranks.rank(), ranks.world_size()
    if slices < world_size:
        raise InputError(
            f"A split has {slices} slices for {world_size} process(es); give it more data, change split_fractions, or "
            "use fewer processes."
        )
    return rank, world_size
