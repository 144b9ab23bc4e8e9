"""Which of several processes of one training or evaluation this is."""

from typing import TypeVar

import torch.distributed as dist

T = TypeVar("T")


def is_distributed() -> bool:
    """Do several processes share this run?"""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Number of this process, from 0 on; 0 where it is alone."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Number of processes; 1 where this one is alone."""
    return dist.get_world_size() if is_distributed() else 1


def all_gathered(value: T) -> list[T]:
    """What each process has, on every one of them."""
    if not is_distributed():
        return [value]
    parts: list = [None] * dist.get_world_size()
    dist.all_gather_object(parts, value)
    return parts
