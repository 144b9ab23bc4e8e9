import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from ichmonai.datasets.phantom import make_study
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.transforms import KeepBrainSlices, KeepBrainSlicesd, RemoveHeadHolder


@pytest.fixture(scope="module")
def study():
    return make_study(5, "deep", size=128, tilt=10.0)


@pytest.fixture
def volume(study):
    hu = torch.from_numpy(study.hu.astype(np.float32))[None]
    return MetaTensor(hu, affine=torch.from_numpy(study.affine), meta={"filename_or_obj": "a.nii"})


def test_keeps_brain_and_drops_the_rest(study, volume):
    result = KeepBrainSlices()(volume)
    kept = result.meta["brain_slices"]
    assert result.shape == (1, 128, 128, len(kept))
    assert torch.equal(result.as_tensor(), volume.as_tensor()[..., kept])
    assert result.meta["slice_count"] == volume.shape[-1] == len(result.meta["brain_content"])
    assert result.meta["filename_or_obj"] == "a.nii"
    brain = study.brain.sum(axis=(0, 1)) > 0.2 * study.head.sum(axis=(0, 1))
    assert set(np.flatnonzero(brain)) <= set(kept)
    assert not set(np.flatnonzero(~study.brain.any(axis=(0, 1)))) & set(kept)
    assert "brain_slices" not in volume.meta


def test_affine_follows_the_slices(volume):
    result = KeepBrainSlices()(volume)
    kept = result.meta["brain_slices"]
    assert kept == list(range(kept[0], kept[-1] + 1))
    voxel = torch.tensor([5.0, 7, 2, 1], dtype=torch.float64)
    shifted = voxel + torch.tensor([0.0, 0, kept[0], 0], dtype=torch.float64)
    torch.testing.assert_close(result.affine @ voxel, volume.affine @ shifted)


def test_affine_has_the_mean_distance_where_a_slice_is_missing(volume):
    whole = KeepBrainSlices()(volume).meta["brain_slices"]
    volume[..., whole[4]] = -1000
    result = KeepBrainSlices()(volume)
    kept = result.meta["brain_slices"]
    assert kept == [k for k in whole if k != whole[4]]
    last = torch.tensor([0.0, 0, len(kept) - 1, 1], dtype=torch.float64)
    truth = torch.tensor([0.0, 0, kept[-1], 1], dtype=torch.float64)
    torch.testing.assert_close(result.affine @ last, volume.affine @ truth)


def test_same_slices_with_and_without_head_holder(volume):
    kept = KeepBrainSlices()(volume).meta["brain_slices"]
    assert KeepBrainSlices()(RemoveHeadHolder()(volume)).meta["brain_slices"] == kept


def test_geometry_is_not_needed(volume):
    kept = KeepBrainSlices()(volume).meta["brain_slices"]
    bare = KeepBrainSlices()(MetaTensor(volume.as_tensor())).meta["brain_slices"]
    assert len(set(kept) ^ set(bare)) <= 1
    assert KeepBrainSlices()(volume.numpy()).shape[-1] == len(bare)


def test_single_slice_passes_or_is_refused(volume):
    keep = KeepBrainSlices()
    kept = keep(volume).meta["brain_slices"]
    middle = MetaTensor(volume.as_tensor()[..., kept[len(kept) // 2]], affine=volume.affine)
    result = keep(middle)
    assert torch.equal(result.as_tensor(), middle.as_tensor())
    assert torch.equal(result.affine, middle.affine)
    assert (result.meta["brain_slices"], result.meta["slice_count"], len(result.meta["brain_content"])) == ([0], 1, 1)
    with pytest.raises(HeadCTReadError) as caught:
        keep(volume[..., -1])
    assert caught.value.code == Code.NO_BRAIN


def test_no_brain_says_where(volume):
    neck = volume[..., :2].clone()
    neck[neck > 100] = 50
    with pytest.raises(HeadCTReadError, match=r"None of 2 slices .* a\.nii") as caught:
        KeepBrainSlices()(neck)
    assert caught.value.code == Code.NO_BRAIN


def test_minimum(volume):
    assert KeepBrainSlices(0.5)(volume).shape[-1] < KeepBrainSlices()(volume).shape[-1]
    assert KeepBrainSlices(0)(volume).shape == volume.shape
    with pytest.raises(ValueError, match="minimum"):
        KeepBrainSlices(1)


def test_dictionary(volume):
    data = {"image": volume, "label": 1}
    result = KeepBrainSlicesd("image", minimum=0.5)(data)
    assert torch.equal(result["image"], KeepBrainSlices(0.5)(volume))
    assert result["label"] == 1
    assert data["image"] is volume


def test_channels_raise():
    with pytest.raises(ValueError, match="one channel"):
        KeepBrainSlices()(torch.zeros(3, 8, 8))
