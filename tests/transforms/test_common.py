"""What holds for every transform: pair of array and dictionary, layout, metadata, pickling, randomness."""

import pickle

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable, Transform

from ichmonai import transforms as T

PAIRS = [
    ("CheckHeadCT", {}),
    ("AverageThinSlices", {}),
    ("KeepBrainSlices", {}),
    ("WindowHU", {"windows": T.RSNA_WINDOWS}),
    ("RemoveHeadHolder", {}),
    ("RemoveHeadHolderAsPublished", {}),
    ("CropToHead", {"size": 60, "margin": 0.1}),
    ("ResizeInPlane", {"size": 50}),
    ("CenterCropInPlane", {"size": 80}),
    ("NormalizeImageNet", {}),
    ("SlicesToChannels", {}),
    ("RandRotateInPlane", {"degrees": 20, "prob": 0.7}),
    ("RandSharpness", {"factor": 2.0, "prob": 0.7}),
    ("RandWindowHU", {"level_shift": 10.0, "prob": 0.7}),
    ("RandCompressHU", {"limits": (-1000.0, 1000.0), "prob": 0.7}),
    ("RandAddStreaks", {"prob": 0.7}),
    ("RandDrawCalcification", {"prob": 0.7}),
    ("RandDrawDura", {"prob": 0.7}),
    ("RandDrawInfarct", {"prob": 0.7}),
    ("RandDrawPartialBone", {"prob": 0.7}),
    ("RandDrawSkullBase", {"prob": 0.7}),
    ("RandNoiseHU", {"highest": 8.0, "clipped": (-1000.0, 3000.0), "prob": 0.7}),
]
OTHERS = {
    "LoadNeighbouringSlicesd",  # reads files
    "Bleeding",
    "Layer",
    # These change the label with the slice: see test_counterfactual.py.
    *(
        name + end
        for name in (
            "RandCoverBrain",
            "RandDiffuseBleeding",
            "RandDrawBleeding",
            "RandEraseBleeding",
            "RandTransplantBleeding",
        )
        for end in ("", "d")
    ),
}
# SlicesToChannels joins the slices, the others look at their neighbours to find the head.
NOT_PLANAR = ("CropToHead", "KeepBrainSlices", "RemoveHeadHolder", "SlicesToChannels")
PLANAR = [pair for pair in PAIRS if pair[0] not in NOT_PLANAR]
RANDOM = [pair for pair in PAIRS if pair[0].startswith("Rand")]


def make(name: str, arguments: dict) -> Transform:
    transform = getattr(T, name)(**arguments)
    if isinstance(transform, Randomizable):
        transform.set_random_state(seed=3)
    return transform


def make_dictionary(name: str, arguments: dict) -> MapTransform:
    transform = getattr(T, name + "d")(keys=["a", "b"], **arguments)
    if isinstance(transform, Randomizable):
        transform.set_random_state(seed=3)
    return transform


@pytest.fixture
def volume(head) -> torch.Tensor:
    slices = [head(96, 128, scale)[0] for scale in (1.0, 0.9, 0.7)]
    noise = np.random.default_rng(0).normal(0, 5, (96, 128, 3)).astype(np.float32)
    return torch.from_numpy(np.stack(slices, axis=-1) + noise)[None]


def test_all_transforms_are_here():
    names = {name for name in T.__all__ if isinstance(getattr(T, name), type)}
    assert names - OTHERS == {name for name, _ in PAIRS} | {name + "d" for name, _ in PAIRS}


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
def test_dictionary_equals_array(name, arguments, volume):
    expected = make(name, arguments)(volume)
    result = make_dictionary(name, arguments)({"a": volume, "b": volume, "c": 1})
    torch.testing.assert_close(result["a"], expected)
    torch.testing.assert_close(result["b"], expected)
    assert result["c"] == 1


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
def test_missing_key(name, arguments, volume):
    with pytest.raises(KeyError):
        make_dictionary(name, arguments)({"a": volume})
    lenient = getattr(T, name + "d")(keys=["a", "b"], allow_missing_keys=True, **arguments)
    assert set(lenient({"a": volume})) == {"a"}


@pytest.mark.parametrize(("name", "arguments"), PLANAR)
def test_volume_is_its_slices(name, arguments, volume):
    result = make(name, arguments)(volume)
    assert result.shape[-1] == volume.shape[-1]
    for k in range(volume.shape[-1]):
        torch.testing.assert_close(result[..., k], make(name, arguments)(volume[..., k]))


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
@pytest.mark.parametrize("index", [(), (..., 0)])
def test_metadata_stays(name, arguments, volume, index):
    image = MetaTensor(volume[index], affine=torch.diag(torch.tensor([2.0, 2.0, 5.0, 1.0])), meta={"source": "scan"})
    before = image.clone()
    result = make(name, arguments)(image)
    assert isinstance(result, MetaTensor)
    assert result.meta["source"] == "scan"
    torch.testing.assert_close(result.as_tensor(), make(name, arguments)(volume[index]))
    torch.testing.assert_close(image, before)  # the input is left alone
    torch.testing.assert_close(image.affine, before.affine)


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
def test_numpy_is_accepted(name, arguments, volume):
    torch.testing.assert_close(make(name, arguments)(volume.numpy()), make(name, arguments)(volume))


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
def test_pickle(name, arguments, volume):
    for transform, data in (
        (make(name, arguments), volume),
        (make_dictionary(name, arguments), {"a": volume, "b": volume}),
    ):
        copy = pickle.loads(pickle.dumps(transform))
        torch.testing.assert_close(copy(data), transform(data))


@pytest.mark.parametrize(("name", "arguments"), PAIRS)
def test_wrong_dimensions_raise(name, arguments):
    with pytest.raises(ValueError, match="slice"):
        make(name, arguments)(torch.zeros(1, 16))


@pytest.mark.parametrize(("name", "arguments"), RANDOM)
def test_seeded_runs_repeat(name, arguments, volume):
    first, second = make_dictionary(name, arguments), make_dictionary(name, arguments)
    assert isinstance(first, Randomizable)
    runs = [[t({"a": volume, "b": volume})["a"] for _ in range(6)] for t in (first, second)]
    torch.testing.assert_close(runs[0], runs[1])
    assert len({tuple(r.flatten()[::97].tolist()) for r in runs[0]}) > 1


@pytest.mark.parametrize("name", ["RandNoiseHU", "RandRotateInPlane", "RandSharpness"])
def test_probability_zero_changes_nothing(name, volume):
    torch.testing.assert_close(getattr(T, name)(prob=0.0)(volume), volume)
