import pytest
import torch

from ichmonai.transforms import MirrorDifference


def test_the_image_twice_and_its_difference_to_the_mirror():
    image = torch.rand(1, 5, 8, 3)
    result = MirrorDifference()(image)
    assert torch.equal(result[0], image[0])
    assert torch.equal(result[1], image[0])
    torch.testing.assert_close(result[2] - 0.5, (image[0] - image[0].flip(1)) / 2)
    torch.testing.assert_close(result[2].flip(1), 1 - result[2])


def test_symmetry_is_grey():
    image = torch.rand(1, 6, 4)
    assert (MirrorDifference()(torch.cat([image, image.flip(-1)], dim=-1))[2] == 0.5).all()


def test_one_channel_only():
    with pytest.raises(ValueError, match="has 2"):
        MirrorDifference()(torch.zeros(2, 4, 4))
