import numpy as np
import pytest
import torch
from scipy import ndimage

from ichmonai.datasets.phantom import PhantomKind, make_study
from ichmonai.transforms import RandDrawCalcification
from ichmonai.transforms.anatomy.intracranial import intracranial_mask


@pytest.fixture(scope="module")
def brain() -> np.ndarray:
    study = make_study(3, kind=PhantomKind.NORMAL, size=192)
    return study.hu[..., study.hu.shape[-1] // 2][None].astype(np.float32)


def test_small_bright_spots_inside_the_skull_and_nothing_else_changes(brain):
    inside = ndimage.binary_erosion(intracranial_mask(brain[0]), iterations=2)
    counts = []
    for seed in range(12):
        drawn = RandDrawCalcification(prob=1).set_random_state(seed)(brain).numpy()
        changed = np.abs(drawn - brain)[0] > 1
        assert not (changed & ~inside).any()
        assert (drawn >= brain - 1e-3).all()
        bright = (drawn - brain)[0] > 20
        counts.append(ndimage.label(bright)[1])
        assert bright.sum() * 1.2**2 < 500  # mm2
    assert max(counts) > 1
    assert sum(count > 0 for count in counts) > 8


def test_an_image_of_a_window_stays_one(brain):
    windowed = torch.as_tensor(brain).clamp(0, 80)
    drawn = RandDrawCalcification(prob=1).set_random_state(1)(windowed)
    assert drawn.max() == 80
    assert not torch.equal(drawn, windowed)
