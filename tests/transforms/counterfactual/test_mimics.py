"""What is drawn that is no haemorrhage: it changes the picture alone, where it may, and by as much as it says."""

import numpy as np
import pytest
import torch
from monai.transforms import Transform
from scipy import ndimage

from ichmonai import transforms as T
from ichmonai.classes import UNKNOWN
from ichmonai.datasets.phantom import PhantomKind, make_study
from ichmonai.transforms.anatomy.intracranial import intracranial_mask

NAMES = ("RandAddStreaks", "RandDrawDura", "RandDrawInfarct", "RandDrawPartialBone", "RandDrawSkullBase")
SPARE = ("RandDrawInfarct", "RandDrawPartialBone", "RandDrawSkullBase")
SEEDS = range(12)


@pytest.fixture(scope="module")
def brain() -> np.ndarray:
    study = make_study(3, kind=PhantomKind.NORMAL, size=128)
    return study.hu[..., study.hu.shape[-1] // 2][None].astype(np.float32)


def drawn(name: str, image: np.ndarray, seed: int, **arguments: object) -> np.ndarray:
    return getattr(T, name)(prob=1, **arguments).set_random_state(seed)(image).numpy()


def bleeding(brain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The brain with blood in it, and where."""
    blood = ndimage.distance_transform_edt(intracranial_mask(brain[0])) > 0
    rows, columns = np.nonzero(blood)
    place = np.indices(blood.shape) - np.array([rows.mean() - 15, columns.mean() + 25])[:, None, None]
    blood &= np.hypot(*place) < 14
    return np.where(blood, 65, brain).astype(np.float32), blood[None]


@pytest.mark.parametrize("name", NAMES)
def test_the_inside_of_the_skull_alone_changes(name, brain):
    near = ndimage.binary_dilation(intracranial_mask(brain[0]), np.ones((3, 3)))
    results = [drawn(name, brain, seed) for seed in SEEDS]
    assert sum((result != brain).any() for result in results) > 8
    for result in results:
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert np.array_equal(result[0][~near], brain[0][~near])
        assert brain.min() <= result.min() <= result.max() <= brain.max()
    assert len({float(result.sum()) for result in results}) > 8


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_one_picture(name, brain):
    assert np.array_equal(drawn(name, brain, 5), drawn(name, brain, 5))


@pytest.mark.parametrize("name", NAMES)
def test_label_kinds_and_mask_stay(name, brain):
    image, blood = bleeding(brain)
    item = {
        "image": image,
        "label": np.array([1, 0]),
        "kinds": np.array([0, 1, 0, np.nan, 0], np.float32),
        "mask": (2 * blood).astype(np.uint8),
    }
    before = {key: value.copy() for key, value in item.items()}
    transform: Transform = getattr(T, name + "d")("image", prob=1).set_random_state(0)
    for _ in SEEDS:
        result = transform(item)
        assert result.keys() == item.keys()
        for key in ("label", "kinds", "mask"):
            assert result[key] is item[key]
    for key, value in before.items():
        np.testing.assert_array_equal(item[key], value)


@pytest.mark.parametrize("name", SPARE)
@pytest.mark.parametrize("known", ["mask", "unknown", "no mask"])
def test_blood_stays_as_it_is(name, brain, known):
    image, blood = bleeding(brain)
    core = ndimage.binary_erosion(blood[0], iterations=2)
    mask = {
        "mask": {"mask": torch.from_numpy(4 * blood)},
        "unknown": {"mask": torch.full(blood.shape, UNKNOWN, dtype=torch.uint8)},
        "no mask": {},
    }[known]
    transform = getattr(T, name + "d")("image", prob=1).set_random_state(0)
    changed = 0
    for _ in SEEDS:
        result = transform({"image": image, **mask})["image"].numpy()
        changed += (result != image).any()
        np.testing.assert_array_equal(result[0][core], image[0][core])
    assert changed > 8


def test_streaks_are_added_to_blood_too(brain):
    image, blood = bleeding(brain)
    results = [drawn("RandAddStreaks", image, seed)[blood] for seed in SEEDS]
    assert sum(abs(result - 65).max() > 0.2 for result in results) > 8
    assert all(abs(result.mean() - 65) < 20 for result in results)


def test_infarcts_are_darker_by_no_more_than_asked(brain):
    quiet = ndimage.gaussian_filter(brain, (0, 1, 1))
    inside = ndimage.binary_erosion(intracranial_mask(brain[0]), iterations=4)
    for highest in (5.0, 20.0):
        drops = [(quiet - drawn("RandDrawInfarct", quiet, seed, drop=(3.0, highest)))[0][inside] for seed in SEEDS]
        largest = [np.percentile(drop, 99) for drop in drops]
        assert sum(drop > 2 for drop in largest) > 8
        assert max(largest) < (10 if highest == 5 else 40)
    assert max(largest) > 12


def test_dura_is_as_bright_as_asked_and_thin(brain):
    for seed in SEEDS:
        result = drawn("RandDrawDura", brain, seed, hu=(60.0, 60.0))
        changed = (result - brain)[0] > 8
        assert changed.any()
        assert np.percentile(result[0][changed], 95) < 75
        assert (ndimage.distance_transform_edt(changed) < 6).all()


def test_partial_bone_and_skull_base_are_brighter_and_touch_the_skull(brain):
    inside = intracranial_mask(brain[0])
    depth = ndimage.distance_transform_edt(inside)
    for seed in SEEDS:
        change = drawn("RandDrawPartialBone", brain, seed) - brain
        assert change.min() >= -1e-3
        assert change[0][depth > 25].max() < 1
        assert drawn("RandDrawSkullBase", brain, seed).min() >= brain.min()


def test_a_tilted_head_shows_its_base_on_one_side_more(brain):
    def difference(tilt: float) -> float:
        shares = []
        for seed in SEEDS:
            change = (drawn("RandDrawSkullBase", brain, seed, tilt=tilt) - brain)[0].clip(0, 100)
            left, right = change[:, : brain.shape[2] // 2].sum(), change[:, brain.shape[2] // 2 :].sum()
            shares.append(abs(left - right) / max(left + right, 1))
        return float(np.mean(shares))

    assert difference(1.0) > difference(0.0) + 0.1


@pytest.mark.parametrize("name", NAMES)
def test_without_a_skull_nothing_is_drawn(name):
    image = np.random.default_rng(0).normal(-900, 20, (1, 96, 96)).astype(np.float32)
    assert np.array_equal(drawn(name, image, 0), image)


@pytest.mark.parametrize("name", NAMES)
def test_two_channels_are_refused(name):
    with pytest.raises(ValueError, match="one channel of HU; this image has 2"):
        getattr(T, name)(prob=1)(torch.zeros(2, 64, 64))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("RandAddStreaks", {"strength": (5.0, 1.0)}),
        ("RandDrawDura", {"hu": (60.0, 50.0)}),
        ("RandDrawInfarct", {"drop": (0.0, 5.0)}),
        ("RandDrawPartialBone", {"depth": (5.0, 2.0)}),
        ("RandDrawSkullBase", {"tilt": 1.5}),
    ],
)
def test_wrong_arguments_are_refused(name, wrong):
    with pytest.raises(ValueError, match=name):
        getattr(T, name)(**wrong)
