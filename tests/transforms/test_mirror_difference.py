import pytest
import torch

from ichmonai.transforms import MirrorDifference


def test_the_image_twice_and_its_difference_to_the_mirror():
    image = 0.1 + 0.8 * torch.rand(1, 5, 8, 3)
    result = MirrorDifference()(image)
    assert torch.equal(result[0], image[0])
    assert torch.equal(result[1], image[0])
    torch.testing.assert_close(result[2] - 0.5, (image[0] - image[0].flip(1)) / 2)
    torch.testing.assert_close(result[2].flip(1), 1 - result[2])


def test_symmetry_is_grey():
    image = torch.rand(1, 6, 4)
    assert (MirrorDifference()(torch.cat([image, image.flip(-1)], dim=-1))[2] == 0.5).all()


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_bone_and_air_are_not_compared(extreme):
    image = torch.tensor([[[extreme, 0.8, 0.3, 0.5]]])
    torch.testing.assert_close(MirrorDifference()(image)[2], torch.tensor([[0.5, 0.75, 0.25, 0.5]]))


def test_one_channel_only():
    with pytest.raises(ValueError, match="has 2"):
        MirrorDifference()(torch.zeros(2, 4, 4))
