"""The affine of a MetaTensor follows the pixels."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from ichmonai.transforms import CenterCropInPlane, CropToHead, RandRotateInPlane, ResizeInPlane

AFFINE = torch.tensor([[0.0, -0.5, 0, 60], [-0.5, 0, 0, 70], [0, 0, 5, -20], [0, 0, 0, 1]], dtype=torch.float64)


def world_of_blob(image: torch.Tensor, affine: torch.Tensor) -> np.ndarray:
    weights = image[0, ..., 0].clamp(min=0).double().numpy()
    rows, columns = np.indices(weights.shape)
    centre = [(rows * weights).sum() / weights.sum(), (columns * weights).sum() / weights.sum(), 0, 1]
    return affine.numpy() @ centre


@pytest.mark.parametrize(
    "transform",
    [
        ResizeInPlane(100),
        ResizeInPlane(300),
        CenterCropInPlane(150),
        CenterCropInPlane(221),
        CropToHead(96, 0.2, limits=(-1000.0, 100.0)),
        RandRotateInPlane(30, fill=-1000).set_random_state(seed=2),
    ],
    ids=lambda t: type(t).__name__,
)
def test_world_position_stays(transform):
    hu = torch.full((1, 200, 220, 2), -1000.0)
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(220), indexing="ij")
    hu[0][((rows - 90) ** 2 + (columns - 120) ** 2) < 40**2] = 40.0
    image = MetaTensor(hu, affine=AFFINE)
    result = transform(image)
    np.testing.assert_allclose(world_of_blob(result, result.affine), world_of_blob(hu, AFFINE), atol=0.1)
