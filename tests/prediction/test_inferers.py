import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from ichmonai.errors import InputError
from ichmonai.prediction import SliceInferer


class Recorder(nn.Module):
    """Mean and maximum of a slice, and what it was called with."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 5)
        self.calls = []

    def forward(self, x, scale=1.0):
        self.calls.append((type(x), x.shape, torch.is_autocast_enabled("cpu")))
        return self.linear(torch.stack([x.mean((1, 2, 3)), x.amax((1, 2, 3))], dim=1)) * scale


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Recorder()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
def test_volume_is_its_slices_in_order(network, batch_size):
    volume = torch.randn(2, 3, 8, 6, 7)
    logits = SliceInferer(batch_size=batch_size)(volume, network)
    assert logits.shape == (2, 5, 7)
    assert all(shape[0] <= batch_size and shape[1:] == (3, 8, 6) for _, shape, _ in network.calls)
    for b in range(2):
        for s in range(7):
            torch.testing.assert_close(logits[b, :, s], network(volume[b : b + 1, ..., s])[0])


def test_one_slice_volume(network):
    volume = torch.randn(1, 3, 8, 6, 1)
    torch.testing.assert_close(SliceInferer()(volume, network)[..., 0], network(volume[..., 0]))


def test_slices_go_through_as_they_are(network):
    slices = MetaTensor(torch.randn(4, 3, 8, 6))
    logits = SliceInferer()(slices, network, 2.0)
    assert type(logits) is torch.Tensor
    assert network.calls == [(torch.Tensor, (4, 3, 8, 6), False)]
    torch.testing.assert_close(logits, network(slices.as_tensor(), scale=2.0))


def test_bf16_runs_under_autocast_and_gives_float32(network):
    slices = torch.randn(4, 3, 8, 6)
    logits = SliceInferer(precision="bf16")(slices, network)
    assert network.calls[0][2]
    assert logits.dtype == torch.float32
    exact = network(slices)
    assert not torch.equal(logits, exact)
    torch.testing.assert_close(logits, exact, atol=0.05, rtol=0.05)


def test_gradients_pass(network):
    SliceInferer()(torch.randn(2, 3, 8, 6), network).sum().backward()
    assert network.linear.weight.grad.abs().sum() > 0


def test_what_does_not_fit_is_refused(network):
    with pytest.raises(InputError, match="choose fp32 or bf16"):
        SliceInferer(precision="fp16")
    with pytest.raises(ValueError, match=r"takes \(B, C, H, W\) or"):
        SliceInferer()(torch.zeros(3, 8, 6), network)
