import pytest
import torch

from ichmonai.transforms import RandNoiseHU


def test_strength_and_grain_are_those_drawn():
    image = torch.full((1, 200, 200), 40.0)
    transform = RandNoiseHU(highest=8, grain=2, clipped=(-1000, 1000), prob=1).set_random_state(0)
    correlations = {}
    for _ in range(8):
        noise = transform(image)[0] - 40
        assert noise.std() == pytest.approx(transform.strength, rel=0.01)
        pairs = torch.stack([noise[:, 1:].flatten(), noise[:, :-1].flatten()])
        correlations[transform.blur] = float(torch.corrcoef(pairs)[0, 1])
    assert len(correlations) == 8
    assert correlations[max(correlations)] > 0.7  # coarse grain: neighbours are alike
    assert correlations[min(correlations)] < correlations[max(correlations)] - 0.2


def test_saturated_pixels_stay_and_the_others_remain_in_the_window():
    image = torch.linspace(-20, 100, 64 * 64).view(1, 64, 64).clamp(0, 80)
    noisy = RandNoiseHU(highest=30, prob=1).set_random_state(0)(image)
    saturated = (image == 0) | (image == 80)
    assert torch.equal(noisy[saturated], image[saturated])
    assert not torch.equal(noisy, image)
    assert noisy.min() == 0
    assert noisy.max() == 80


@pytest.mark.parametrize("settings", [{"highest": -1}, {"grain": -1}])
def test_bad_settings_raise(settings):
    with pytest.raises(ValueError, match="0 or more"):
        RandNoiseHU(**settings)
