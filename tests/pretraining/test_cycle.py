"""Pairs of images through generators, discriminators and the cycle."""

from pathlib import Path

import pytest
import torch
from monai.networks.nets import AutoEncoder
from torch import Tensor, nn

from ichmonai.errors import InputError
from ichmonai.pretraining import CycleGenerators, CycleLoss, DomainDiscriminators, load_generators


class Inverse(nn.Module):
    """After the sigmoid: 1 - x."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.logit(1 - image)


class Same(nn.Module):
    """After the sigmoid: x."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.logit(image)


class Mean(nn.Module):
    """A discriminator of one patch: features, then the mean as its logit."""

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image, image.mean((1, 2, 3), keepdim=True)]


@pytest.fixture
def pair() -> Tensor:
    photograph, ct = torch.full((1, 3, 4, 4), 0.2), torch.full((1, 3, 4, 4), 0.9)
    return torch.cat([photograph, ct], dim=1)


def generators(channels: int = 4) -> CycleGenerators:
    one, two = (AutoEncoder(2, 3, 3, (channels, channels), (1, 2)) for _ in range(2))
    return CycleGenerators(to_photograph=one, to_ct=two)


def test_each_image_is_made_of_the_other_and_keeps_the_order_of_the_domains(pair: Tensor) -> None:
    made = CycleGenerators(to_photograph=Same(), to_ct=Inverse())(pair)
    torch.testing.assert_close(made[:, :3], torch.full((1, 3, 4, 4), 0.9))  # the slice, as a photograph
    torch.testing.assert_close(made[:, 3:], torch.full((1, 3, 4, 4), 0.8))  # 1 - photograph, as a slice


def test_cycle_is_closed_by_generators_that_undo_each_other(pair: Tensor) -> None:
    inverse = CycleGenerators(to_photograph=Inverse(), to_ct=Inverse())
    assert CycleLoss(inverse)(inverse(pair), pair).item() == pytest.approx(0, abs=1e-5)
    one_way = CycleGenerators(to_photograph=Same(), to_ct=Inverse())
    # 0.2 comes back as 0.8, 0.9 as 0.1: mean difference 0.7.
    assert CycleLoss(one_way, weight=2)(one_way(pair), pair).item() == pytest.approx(1.4)


def test_discriminators_judge_their_own_domain(pair: Tensor) -> None:
    logits = DomainDiscriminators(photograph=Mean(), ct=Mean())(pair)
    assert logits.shape == (1, 2, 1, 1)
    torch.testing.assert_close(logits.flatten(), torch.tensor([0.2, 0.9]))


def test_sizes_that_the_generators_cannot_keep_are_refused() -> None:
    assert generators()(torch.rand(2, 6, 8, 8)).shape == (2, 6, 8, 8)
    with pytest.raises(InputError, match=r"make \(8, 8\) pixels of \(7, 7\)"):
        generators()(torch.rand(2, 6, 7, 7))


def test_generators_are_loaded_or_refused(tmp_path: Path) -> None:
    trained, path = generators(), tmp_path / "generators.pt"
    torch.save(trained.state_dict(), path)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(load_generators(generators(), path).to_ct(image), trained.to_ct(image))
    with pytest.raises(InputError, match="does not hold these generators"):
        load_generators(generators(channels=8), path)
    with pytest.raises(InputError, match="There is no weights file"):
        load_generators(generators(), tmp_path / "absent.pt")
