import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data.meta_tensor import MetaTensor

from ichmonai.datasets.phantom import make_study
from ichmonai.datasets.phantom.dicom import write_dicom
from ichmonai.io import load_head_ct
from ichmonai.paths import bundle_root
from ichmonai.transforms import AverageThinSlices


def volume(hu, distance, thickness=None, tilt=0.0):
    affine = torch.diag(torch.tensor([0.5, 0.5, distance, 1], dtype=torch.float64))
    affine[1, 2] = tilt
    return MetaTensor(
        torch.as_tensor(hu), affine=affine, meta={} if thickness is None else {"slice_thickness": thickness}
    )


@pytest.mark.parametrize("distance", [0.5, 0.625, 1.0, 1.25, 2.0, 2.5, 2.9])
def test_is_the_mean_over_five_millimetres(distance):
    rng = np.random.default_rng(0)
    hu = rng.normal(30, 10, (1, 4, 5, 130)).astype(np.float32)
    fine = np.repeat(hu, 200, axis=-1)  # each slice as 200 layers
    found = AverageThinSlices()(volume(hu, distance)).numpy()
    for index in (0, 7, 20, 129):
        middle, half = (index + 0.5) * 200, 2.5 / distance * 200
        truth = fine[..., max(round(middle - half), 0) : round(middle + half)].mean(-1)
        np.testing.assert_allclose(found[..., index], truth, atol=0.1)


def test_noise_falls_as_that_of_thicker_slices():
    noise = np.random.default_rng(0).normal(35, 12, (1, 64, 64, 60)).astype(np.float32)
    found = AverageThinSlices()(volume(noise, 1.0))
    assert found.std(dim=(1, 2)).mean().item() == pytest.approx(12 / np.sqrt(5), rel=0.03)


def test_what_it_says_of_the_volume():
    image = volume(np.zeros((1, 4, 4, 50), np.float32), 1.25)
    image.meta["findings"] = [["duplicates", "Copies."]]
    found = AverageThinSlices()(image)
    assert [code for code, _ in found.meta["findings"]] == ["duplicates", "thin_slices"]
    assert found.meta["slices_apart"] == 4
    assert torch.equal(found.affine, image.affine)
    assert image.meta["findings"] == [["duplicates", "Copies."]]


@pytest.mark.parametrize(
    "image",
    [
        torch.rand(1, 4, 4, 9),  # nothing is known of it
        MetaTensor(torch.rand(1, 4, 4, 9)),  # nor of this
        volume(torch.rand(1, 4, 4), 1.0),  # a slice alone
        volume(torch.rand(1, 4, 4, 1), 1.0),
        volume(torch.rand(1, 4, 4, 30), 1.0),  # no head is so low
        volume(torch.rand(1, 4, 4, 99), 3.0),
        volume(torch.rand(1, 4, 4, 99), 2.5, thickness=5.0),  # slices that overlap
    ],
)
def test_others_stay_as_they_are(image):
    assert AverageThinSlices()(image) is image


def test_distance_is_that_of_the_planes():
    assert "slices_apart" not in AverageThinSlices()(volume(torch.rand(1, 4, 4, 99), 3.0, tilt=-1.0)).meta
    assert AverageThinSlices()(volume(torch.rand(1, 4, 4, 99), 2.5, tilt=2.0)).meta["slices_apart"] == 2


def test_bad_settings():
    with pytest.raises(ValueError, match="at least"):
        AverageThinSlices(thickness=2, thinner_than=3)


def test_thickness_comes_from_the_dicom_headers(tmp_path):
    study = make_study(3, "normal", size=64)
    write_dicom(tmp_path, [study])
    series = next(tmp_path.rglob("*.dcm")).parent
    assert load_head_ct(series).meta["slice_thickness"] == 5.0


def test_noisy_thin_slices_reach_the_network_as_thick_ones_do(tmp_path, monkeypatch):
    monkeypatch.chdir(bundle_root())
    study = make_study(3, "deep", size=128)
    parser = ConfigParser()
    parser.read_config(bundle_root() / "configs" / "inference.json")
    chain = parser.get_parsed_content("preprocessing")
    thick = np.asarray(study.hu, np.float32)
    thin = np.repeat(thick, 4, axis=-1) + np.random.default_rng(0).normal(0, 12, (*thick.shape[:2], 4 * thick.shape[2]))
    affine = study.affine.copy()
    nib.save(nib.Nifti1Image(thick, affine), tmp_path / "thick.nii")
    affine[:, 2] /= 4
    nib.save(nib.Nifti1Image(thin.astype(np.float32), affine), tmp_path / "thin.nii")
    expected, found = (chain({"image": tmp_path / f"{name}.nii"})["image"] for name in ("thick", "thin"))
    assert "slices_apart" not in expected.meta
    assert found.meta["slices_apart"] == round(5 / np.linalg.norm(study.affine[:3, 2] / 4))
    assert found.shape[-1] / 4 == pytest.approx(expected.shape[-1], abs=2)
