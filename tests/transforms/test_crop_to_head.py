import numpy as np
import pytest
import torch

from ichmonai.transforms import CropToHead, RemoveHeadHolder
from ichmonai.transforms.head_mask import head_mask


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_square_around_the_head(head, margin):
    hu, truth = head(512, 640)
    hu[500:506] = 60
    result = CropToHead(margin)(hu[None])
    extent = np.flatnonzero(head_mask(hu).any(1))
    side = len(extent) + 2 * round(margin * len(extent))
    assert result.shape == (1, side, side)
    assert (result > 20).sum() >= (truth & (hu > 20)).sum()


def test_head_is_what_the_removal_of_the_holder_left(head):
    hu, _ = head(512, 640)
    hu[500:506] = 60
    removed = RemoveHeadHolder(fill=-2000.0)(torch.stack([torch.as_tensor(hu)] * 2, dim=-1)[None])
    result = CropToHead(0, outside=-2000.0)(removed)
    extent = np.flatnonzero(head_mask(hu).any(1))
    assert result.shape == (1, len(extent), len(extent), 2)


def test_nothing_left_by_the_removal_is_no_head():
    assert CropToHead(outside=-2000.0)(torch.full((1, 40, 60), -2000.0)).shape == (1, 60, 60)


def test_one_window_for_the_volume(head):
    hu = np.stack([head(256, 256, scale)[0] for scale in (1.0, 0.6)], axis=-1)
    crop = CropToHead(0)
    assert crop(hu[None]).shape[1:3] == crop(hu[None, ..., 0]).shape[1:]


def test_padding_where_the_square_leaves_the_image(head):
    hu, _ = head(512, 512)
    result = CropToHead(0.2, fill=-5.0)(hu[None, 40:460])
    assert result.shape[1] == result.shape[2]
    assert (result[0, 0] == -5).all()


def test_without_a_head_the_whole_image(head):
    hu = torch.full((1, 100, 140), -1000.0)
    hu[0, 50, 70] = 5.0
    result = CropToHead()(hu)
    assert result.shape == (1, 140, 140)
    assert result[0, 70, 70] == 5


def test_negative_margin_raises():
    with pytest.raises(ValueError, match="margin"):
        CropToHead(-0.1)
