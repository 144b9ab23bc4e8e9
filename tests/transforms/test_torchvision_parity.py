"""The transforms that promise torchvision's semantics, against torchvision."""

import pytest
import torch
from torchvision.transforms import v2

from ichmonai.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    CenterCropInPlane,
    NormalizeImageNet,
    RandRotateInPlane,
    RandSharpness,
    ResizeInPlane,
)

SHAPES = [(1, 512, 512), (1, 300, 401), (3, 201, 150)]


@pytest.fixture(params=SHAPES, ids=str)
def image(request) -> torch.Tensor:
    return torch.rand(request.param, generator=torch.Generator().manual_seed(0))


def test_resize(image):
    torch.testing.assert_close(ResizeInPlane(256)(image), v2.Resize(256, antialias=True)(image))


@pytest.mark.parametrize("size", [224, 150, 401])
def test_center_crop(image, size):
    torch.testing.assert_close(CenterCropInPlane(size)(image), v2.CenterCrop(size)(image))


def test_sharpness(image):
    expected = v2.functional.adjust_sharpness(image, 2.0)
    assert not torch.equal(expected, image)
    torch.testing.assert_close(RandSharpness(2.0, prob=1.0)(image), expected)


def test_rotation(image):
    rotate = RandRotateInPlane(15, fill=0.5).set_random_state(seed=1)
    result = rotate(image)
    assert 0 < abs(rotate.angle) <= 15
    expected = v2.functional.rotate(image, rotate.angle, v2.InterpolationMode.BILINEAR, fill=[0.5])
    torch.testing.assert_close(result, expected)


def test_rotation_angles_fill_the_range():
    rotate = RandRotateInPlane(15).set_random_state(seed=0)
    angles = []
    for _ in range(300):
        rotate.randomize()
        angles.append(rotate.angle)
    assert -15 <= min(angles) < -13
    assert 13 < max(angles) <= 15


def test_normalize(image):
    grey = image[:1]
    expected = v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)(grey.expand(3, -1, -1))
    torch.testing.assert_close(NormalizeImageNet()(grey), expected)
    torch.testing.assert_close(NormalizeImageNet([0.5], [0.25])(grey), v2.Normalize([0.5], [0.25])(grey))
