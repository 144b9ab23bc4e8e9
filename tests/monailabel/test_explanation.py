import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from torch import nn

from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom, write_nifti
from ichmonai.errors import InputError
from ichmonai.io import LoadHeadCT
from ichmonai.monailabel.explanation import ich_evidence, outline, saliency, to_input_grid
from ichmonai.networks import DTViT, SliceClassifier, create_network
from ichmonai.transforms import CenterCropInPlane, CropToHead, KeepBrainSlices, ResizeInPlane

NETWORKS = {
    "light": lambda: create_network("light", image_size=96),
    "scopeformer_vit": lambda: create_network("scopeformer_vit", image_size=96, width=48, depth=2, num_heads=3),
    "DTViT": lambda: DTViT("test_vit", image_size=96),
    "resnet18": lambda: create_network("resnet18", image_size=96),
    "alexnet": lambda: create_network("alexnet", image_size=96),
}


class Bright(nn.Module):
    """Feature maps 1/8 the size, of which the first is brightness."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 8, stride=8, bias=False)
        nn.init.constant_(self.maps.weight[0], 1.0)

    def forward(self, image):
        return self.maps(image).relu().mean((2, 3))


@pytest.fixture
def bright():
    """A network for which brightness is haemorrhage."""
    network = SliceClassifier(Bright(), 2).eval()
    head = network.heads.heads["ich"]
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_of_networks(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    image = torch.rand(3, 96, 96, 2)
    places = saliency(network, image)
    assert places.shape == (96, 96, 2)
    assert places.isfinite().all()
    for index in range(2):
        assert places[..., index].max().item() in (0.0, pytest.approx(1.0))
    # Small differences of the sums of a batch, over a small maximum.
    torch.testing.assert_close(saliency(network, image[..., 1]), places[..., 1], atol=1e-2, rtol=0)
    torch.testing.assert_close(saliency(network, image, batch_size=1), places, atol=1e-2, rtol=0)


def test_the_network_is_left_as_it_was(bright):
    image = torch.rand(3, 64, 64)
    before = ich_evidence(bright(image[None]))
    with torch.inference_mode():
        saliency(bright, torch.rand(3, 64, 64))
    assert all(not module._forward_hooks for module in bright.modules())
    assert all(parameter.grad is None for parameter in bright.parameters())
    assert torch.equal(before, ich_evidence(bright(image[None])))
    assert torch.is_grad_enabled()


def test_shows_what_speaks_for_it_and_nothing_else(bright):
    image = torch.zeros(3, 64, 64, 3)
    image[:, 8:16, 40:48, 0] = 1
    image[:, 48:56, 8:16, 2] = 0.25
    places = saliency(bright, image)
    for index, (row, column) in ((0, (11.5, 43.5)), (2, (51.5, 11.5))):
        centre = (places[..., index] == places[..., index].max()).nonzero().float().mean(0)
        assert centre.tolist() == pytest.approx([row, column], abs=0.5)
    assert places[..., 1].max() == 0
    negated = saliency(bright, image, target=lambda logits: -ich_evidence(logits))
    assert negated.max() == 0


def test_no_places(bright):
    class Flat(nn.Module):
        def forward(self, image):
            return image.mean((2, 3))

    with pytest.raises(InputError, match="no feature map"):
        saliency(SliceClassifier(Flat(), 3).eval(), torch.rand(3, 64, 64))


CHAINS = {
    "centre": [ResizeInPlane(112), CenterCropInPlane(96)],
    "head": [CropToHead(96, limits=(-1000, 3000))],
}


@pytest.fixture(scope="module")
def study():
    return make_study(5, kind=PhantomKind.DEEP, size=128, tilt=12.0)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAR", "PIL", "dicom"])
def test_lies_on_the_input(study, chain, axes, tmp_path):
    """The HU themselves, taken through the preprocessing as if they were a map, come back to where they were."""
    if axes == "dicom":
        write_dicom(tmp_path, [study])
        path = next(tmp_path.rglob("*.dcm")).parent
        expected, affine = np.swapaxes(study.hu, 0, 1), study.affine[:, [1, 0, 2, 3]]
    else:
        write_nifti(tmp_path, [study])
        image = nib.load(next(tmp_path.glob("*.nii.gz")))
        turned = image.as_reoriented(
            nib.orientations.ornt_transform(
                nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(axes))
            )
        )
        path = tmp_path / "turned.nii.gz"
        nib.save(turned, path)
        expected, affine = np.asarray(turned.dataobj), turned.affine
    image = Compose([LoadHeadCT(), KeepBrainSlices(), *CHAINS[chain]])(path)
    np.testing.assert_allclose(image.meta["original_affine"], affine, atol=1e-4)
    result = to_input_grid(image[0].as_tensor().numpy(), image)
    assert result.shape == expected.shape == tuple(image.meta["spatial_shape"])
    axis = int(np.argmax(np.abs(affine[2, :3])))
    result, expected = np.moveaxis(result, axis, -1), np.moveaxis(expected, axis, -1)
    covered = result != 0
    if affine[2, axis] < 0:
        covered, result, expected = covered[..., ::-1], result[..., ::-1], expected[..., ::-1]
    shown = covered.any(axis=(0, 1)).nonzero()[0].tolist()
    assert shown == image.meta["brain_slices"]
    assert len(shown) < expected.shape[-1]
    difference = np.abs(result - expected)[covered]
    assert np.median(difference) < 30  # interpolated twice, and grainy
    assert np.corrcoef(result[covered], expected[covered])[0, 1] > 0.97


def test_uneven_slices_keep_their_place():
    """Slices between which one was left out: the affine has their mean distance, the indices are exact."""
    meta = {"original_affine": torch.eye(4), "spatial_shape": np.array([4, 6, 5]), "brain_slices": [0, 3, 4]}
    display = np.array([[0, -1, 0, 3], [-1, 0, 0, 5], [0, 0, 1, 0], [0, 0, 0, 1.0]])  # rows to posterior, columns left
    image = MetaTensor(torch.zeros(1, 6, 4, 3), affine=torch.as_tensor(display @ np.diag([1, 1, 2, 1])), meta=meta)
    places = np.arange(1, 6 * 4 * 3 + 1, dtype=np.float32).reshape(6, 4, 3)
    result = to_input_grid(places, image)
    assert result.shape == (4, 6, 5)
    assert not result[..., 1:3].any()
    physical = display @ np.array([2, 1, 0, 1])  # row 2, column 1
    i, j = (round(v) for v in physical[:2])
    assert result[i, j, [0, 3, 4]].tolist() == places[2, 1].tolist()


def test_marks_only_slices_that_are_called_haemorrhage(bright, study, tmp_path):
    write_nifti(tmp_path, [study])
    path = next(tmp_path.glob("*.nii.gz"))
    image = Compose([LoadHeadCT(), KeepBrainSlices(), ResizeInPlane(64)])(path)
    bone = (image.as_tensor() > 300).float().repeat(3, 1, 1, 1)  # for which the network is made
    p_ich = torch.linspace(0, 1, image.shape[-1])
    marks = outline(bright, MetaTensor(bone, meta=image.meta), p_ich, 0.6)
    assert marks.dtype == np.uint8
    assert marks.shape == nib.load(path).shape
    assert set(np.unique(marks)) == {0, 1}
    marked = marks.any(axis=(0, 1)).nonzero()[0].tolist()
    assert marked == [index for index, p in zip(image.meta["brain_slices"], p_ich, strict=True) if p > 0.6]
    skull = np.swapaxes(study.hu, 0, 1)[..., marked] > 300
    in_marks = skull[marks[..., marked] == 1].mean()
    assert in_marks > 3 * skull.mean()


def test_no_geometry(bright):
    with pytest.raises(InputError, match="no geometry"):
        outline(bright, MetaTensor(torch.rand(3, 64, 64)), torch.tensor([0.5]), 0.4)
