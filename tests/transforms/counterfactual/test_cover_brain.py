import numpy as np
import pytest

from ichmonai.datasets.phantom import PhantomKind, make_study
from ichmonai.transforms import RandCoverBrain
from ichmonai.transforms.anatomy.intracranial import intracranial_mask


@pytest.fixture(scope="module")
def brain() -> np.ndarray:
    study = make_study(3, kind=PhantomKind.NORMAL, size=192)
    return study.hu[..., study.hu.shape[-1] // 2][None].astype(np.float32)


def test_a_normal_slice_keeps_a_part_of_its_brain_and_its_label(brain):
    inside = intracranial_mask(brain[0])
    seen, brightest = [], []
    for seed in range(10):
        covered, label = RandCoverBrain(prob=1).set_random_state(seed)(brain, np.array([0, -1]))
        assert label.tolist() == [0, -1]
        same = np.abs(covered.numpy() - brain)[0] < 1
        assert same[0].all()  # air around the head
        seen.append((same & inside).sum() / inside.sum())
        brightest.append(float(covered.numpy()[0][inside & ~same].mean()))
    assert all(0 < share < 0.45 for share in seen)
    assert min(brightest) < 150 < max(brightest)  # muscle and fat, and bone


def test_a_slice_with_a_bleeding_stays(brain):
    same, label = RandCoverBrain(prob=1).set_random_state(0)(brain, np.array([1, 0]))
    assert np.array_equal(same, brain)
    assert label.tolist() == [1, 0]
