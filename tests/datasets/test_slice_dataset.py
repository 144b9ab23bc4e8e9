import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, Lambdad, RandGaussianNoised, RandRotate90d

from ichmonai.datasets import SliceDataset
from ichmonai.training import EpochSampler
from ichmonai.transforms import RandRotateInPlaned

reads: list[int] = []


def read(number):
    reads.append(number)
    return torch.full((1, 8, 8), float(number)) + torch.arange(64.0).reshape(8, 8)


ITEMS = [{"image": n, "label": np.array([n % 2, -1])} for n in range(6)]


def chain():
    return Compose(
        [
            Lambdad("image", read),
            RandGaussianNoised("image", prob=0.8, std=1.0),
            RandRotate90d("image", prob=0.5),
            RandRotateInPlaned("image", degrees=15),
        ]
    )


def draws(num_workers, cache_rate=1.0, epochs=2):
    dataset = SliceDataset(ITEMS, chain(), cache_rate=cache_rate)
    sampler = EpochSampler(ITEMS, balance="none", seed=7)
    loader = DataLoader(dataset, sampler=sampler, batch_size=2, num_workers=num_workers)
    images = []
    for epoch in range(1, epochs + 1):
        sampler.set_epoch(epoch)
        images += [batch["image"] for batch in loader]
    return torch.cat([torch.as_tensor(image) for image in images])


@pytest.mark.parametrize(("num_workers", "cache_rate"), [(2, 1.0), (0, 0.0), (0, 0.5)])
def test_augmentation_depends_on_neither_workers_nor_cache(num_workers, cache_rate):
    expected = draws(0)
    assert torch.equal(draws(num_workers, cache_rate), expected)
    assert len({image.numpy().tobytes() for image in expected}) == 12  # and every draw is another


def test_seed_decides_alone():
    dataset = SliceDataset(ITEMS, chain())
    one = dataset[3, 5]["image"]
    other = dataset[3, 6]["image"]
    _ = dataset[1]
    assert torch.equal(dataset[3, 5]["image"], one)
    assert not torch.equal(one, other)


def test_deterministic_beginning_runs_once():
    reads.clear()
    dataset = SliceDataset(ITEMS, chain())
    for _ in range(3):
        _ = [dataset[i] for i in range(6)]
    assert sorted(reads) == list(range(6))


def test_cached_slice_is_not_changed_by_augmentation():
    dataset = SliceDataset(ITEMS, chain())
    first = dataset[2, 1]["image"].clone()
    for seed in range(20):
        _ = dataset[2, seed]
    assert torch.equal(dataset[2, 1]["image"], first)
