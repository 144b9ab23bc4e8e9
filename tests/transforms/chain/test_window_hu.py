import numpy as np
import pytest
import torch

from ichmonai.transforms import RSNA_WINDOWS, WindowHU


def test_default_is_0_to_80_hu():
    hu = torch.tensor([-3000.0, -1, 0, 20, 40, 80, 81, 3000]).view(1, 2, 4)
    result = WindowHU()(hu)
    assert result.dtype == torch.float32
    assert result.flatten().tolist() == [0, 0, 0, 0.25, 0.5, 1, 1, 1]


def test_one_channel_a_window():
    hu = torch.linspace(-400, 400, 64).view(1, 8, 8)
    result = WindowHU(RSNA_WINDOWS)(hu)
    assert result.shape == (3, 8, 8)
    for channel, (level, width) in zip(result, RSNA_WINDOWS, strict=True):
        expected = np.clip((hu[0].numpy() - (level - width / 2)) / width, 0, 1)
        np.testing.assert_allclose(channel.numpy(), expected, atol=1e-6)


def test_integer_hu():
    assert WindowHU()(np.full((1, 2, 2), 20, np.int16)).unique().item() == 0.25


@pytest.mark.parametrize("windows", [(), ((40, 0),), ((40, -80),)])
def test_bad_windows_raise(windows):
    with pytest.raises(ValueError, match="level, width"):
        WindowHU(windows)


def test_more_than_one_channel_raises():
    with pytest.raises(ValueError, match="one channel"):
        WindowHU()(torch.zeros(3, 4, 4))
