import pytest
import torch

from ichmonai.transforms import RSNA_WINDOWS, RandWindowHU, WindowHU


def test_it_is_a_window_of_the_drawn_level_and_width():
    hu = torch.linspace(1, 79, 64).view(1, 8, 8)
    transform = RandWindowHU(RSNA_WINDOWS, level_shift=10, width_factors=(0.5, 2)).set_random_state(1)
    levels, widths = set(), set()
    for _ in range(5):
        result = transform(hu)
        drawn = [(level + transform.shift, width * transform.factor) for level, width in RSNA_WINDOWS]
        torch.testing.assert_close(result, WindowHU(drawn)(hu))
        levels.add(transform.shift)
        widths.add(transform.factor)
    assert len(levels) == len(widths) == 5
    assert max(map(abs, levels)) <= 10
    assert 0.5 <= min(widths) <= max(widths) <= 2


def test_clipped_ends_stay_black_and_white():
    hu = torch.tensor([-1000.0, 0, 0.3, 79.7, 80, 1000]).view(1, 2, 3)  # also after interpolation
    transform = RandWindowHU(level_shift=30, width_factors=(1, 3)).set_random_state(0)
    for _ in range(10):
        assert transform(hu).flatten().tolist() == [0, 0, 0, 1, 1, 1]


def test_without_variation_it_is_the_window():
    hu = torch.linspace(-50, 150, 64).view(1, 8, 8)
    nearly = RandWindowHU(level_shift=0, width_factors=(1, 1))(hu)
    torch.testing.assert_close(nearly, WindowHU()(hu), atol=1 / 80, rtol=0)  # what is 1 HU from black is black
    torch.testing.assert_close(RandWindowHU(prob=0)(hu), WindowHU()(hu))


@pytest.mark.parametrize("settings", [{"level_shift": -1}, {"width_factors": (0, 1)}, {"width_factors": (2, 1)}])
def test_bad_settings_raise(settings):
    with pytest.raises(ValueError, match="level_shift"):
        RandWindowHU(**settings)
