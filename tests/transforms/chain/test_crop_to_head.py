import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torchvision.transforms.v2 import functional as tvf

from ichmonai.transforms import CropToHead, CropToHeadd, RemoveHeadHolder
from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.chain.crop_to_head import before_crop


@pytest.mark.parametrize("margin", [0.0, 0.03])
def test_square_around_the_head(head, margin):
    hu, _ = head(512, 640)
    hu[500:506] = 60
    rows, columns = (np.flatnonzero(head_mask(hu).any(axis)) for axis in (1, 0))
    side = max(len(rows), len(columns)) + 2 * round(margin * max(len(rows), len(columns)))
    top, left = (rows[0] + rows[-1] + 1 - side) // 2, (columns[0] + columns[-1] + 1 - side) // 2
    square = torch.as_tensor(hu[None, top : top + side, left : left + side]).float().clamp(0, 80)
    expected = tvf.resize(square, [100, 100], antialias=True)
    torch.testing.assert_close(CropToHead(100, margin)(hu[None]), expected)


def test_head_is_what_the_removal_of_the_holder_left(head):
    hu, _ = head(512, 640)
    hu[500:506] = 60
    removed = RemoveHeadHolder(fill=-2000.0)(torch.as_tensor(hu)[None])
    expected = CropToHead(96)(RemoveHeadHolder()(torch.as_tensor(hu)[None]))
    result = CropToHead(96, outside=-2000.0)(removed)
    assert (result - expected).abs().mean() < 2  # a pixel more or less of air
    bigger = CropToHead(96, outside=-2000.0)(torch.nn.functional.pad(removed, (0, 300, 0, 0), value=-2000.0))
    torch.testing.assert_close(bigger, result)


def test_each_slice_has_its_own_square(head):
    hu = np.stack([head(256, 256, scale)[0] for scale in (1.0, 0.6)], axis=-1)
    removed = RemoveHeadHolder(fill=-2000.0)(torch.as_tensor(hu)[None])
    crop = CropToHead(64, outside=-2000.0)
    result = crop(removed)
    assert result.shape == (1, 64, 64, 2)
    for index in range(2):
        torch.testing.assert_close(result[..., index], crop(removed[..., index]))


def test_every_slice_knows_where_it_lies():
    hu = torch.full((1, 200, 220, 3), -2000.0)
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(220), indexing="ij")
    centres = ((90, 120, 40), (100, 100, 25), (60, 150, 30))
    for index, (row, column, radius) in enumerate(centres):
        hu[0, ..., index][(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 40.0
    affine = torch.tensor([[0.0, -0.5, 0, 60], [-0.5, 0, 0, 70], [0, 0, 5, -20], [0, 0, 0, 1]], dtype=torch.float64)
    result = CropToHead(80, outside=-2000.0)(MetaTensor(hu, affine=affine))
    torch.testing.assert_close(result.affine, result.meta["slice_affines"][1])
    for index, (row, column, _) in enumerate(centres):
        found = torch.tensor([39.5, 39.5, index, 1], dtype=torch.float64)  # the middle of the square
        expected = affine @ torch.tensor([row, column, index, 1], dtype=torch.float64)
        torch.testing.assert_close(result.meta["slice_affines"][index] @ found, expected, atol=0.3, rtol=0)


def test_padding_where_the_square_leaves_the_image(head):
    hu, _ = head(512, 512)
    result = CropToHead(100, 0.2, limits=(-5.0, 100.0))(hu[None, 40:460])
    assert (result[0, 0] < -4).all()
    assert result.min() > -5.001
    assert result.max() < 100.001


def test_without_a_head_the_whole_image():
    hu = torch.full((1, 100, 140), -1000.0)
    hu[0, 50, 70] = 5.0
    result = CropToHead(140)(hu)
    assert result[0, 70, 70] == 5
    assert result.sum() == 5
    assert (CropToHead(8, outside=-2000.0)(torch.full((1, 40, 60), -2000.0)) == 0).all()


@pytest.mark.parametrize("arguments", [{"size": 0}, {"size": 8, "margin": -0.1}, {"size": 8, "limits": (5, 5)}])
def test_what_makes_no_sense_raises(arguments):
    with pytest.raises(ValueError, match="size of 1 or more, a margin"):
        CropToHead(**arguments)


@pytest.fixture
def bleeding() -> tuple[torch.Tensor, torch.Tensor]:
    """Two slices (1, 240, 260, 2) of heads, one at the edge of the image, and the masks of their bleedings."""
    rows, columns = torch.meshgrid(torch.arange(240), torch.arange(260), indexing="ij")
    hu, mask = torch.full((1, 240, 260, 2), -2000.0), torch.zeros((1, 240, 260, 2), dtype=torch.uint8)
    for index, (row, column) in enumerate(((110, 130), (60, 200))):
        hu[0, ..., index][(rows - row) ** 2 + (columns - column) ** 2 < 90**2] = 30.0
        blood = (rows - row - 20) ** 2 + (columns - column + 10) ** 2 < 25**2
        hu[0, ..., index][blood], mask[0, ..., index][blood] = 70.0, index + 3
    return hu, mask


def test_a_mask_is_cropped_as_its_image(bleeding):
    hu, mask = bleeding
    cropped = CropToHeadd("image", 96, outside=-2000.0, mask_keys="mask")({"image": hu, "mask": mask})
    assert cropped["mask"].dtype == torch.uint8
    assert cropped["mask"].shape == cropped["image"].shape
    bright = cropped["image"] > 50
    assert (bright == (cropped["mask"] > 0)).float().mean() > 0.995
    assert [cropped["mask"][..., k].unique().tolist() for k in (0, 1)] == [[0, 3], [0, 4]]


def test_items_without_a_mask_are_cropped(bleeding):
    cropped = CropToHeadd("image", 96, outside=-2000.0, mask_keys="mask")({"image": bleeding[0]})
    assert cropped.keys() == {"image"}


def test_a_mask_comes_back_to_the_image(bleeding):
    hu, mask = bleeding
    cropped = CropToHeadd("image", 96, outside=-2000.0, mask_keys="mask")({"image": MetaTensor(hu), "mask": mask})
    logits = torch.nn.functional.one_hot(cropped["mask"][0].long(), 6).movedim(-1, 0).float()
    meta = cropped["image"].meta
    back = torch.zeros(2, 240, 260)
    for one, (part, rows, columns) in zip(
        back, before_crop(logits, meta["crop_squares"], meta["crop_from"]), strict=True
    ):
        one[rows, columns] = part.argmax(0).float()
    truth = mask[0].movedim(-1, 0)
    assert 2 * ((back == truth) & (truth > 0)).sum() / ((back > 0).sum() + (truth > 0).sum()) > 0.97
    assert (back[truth > 0] == truth[truth > 0]).float().mean() > 0.95
