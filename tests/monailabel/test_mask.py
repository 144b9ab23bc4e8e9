"""The mask on the grid of the file that was read, and why saliency is none."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from ichmonai.datasets.phantom import make_study, write_nifti
from ichmonai.errors import InputError
from ichmonai.monailabel.explanation import outline
from ichmonai.monailabel.mask import blood_over_image
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.inferers import SliceInferer
from ichmonai.prediction.mask_file import nifti
from ichmonai.prediction.predictor import Predictor
from tests.prediction.conftest import marking_bundle, small_bundle
from tests.prediction.marking import BLOOD, BRAIN, Marking

__all__ = ["marking_bundle", "small_bundle"]


class Network(nn.Module):
    """A network with a mask that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.marking, self.weight = Marking(), nn.Parameter(torch.zeros(1))

    def with_mask(self) -> nn.Module:
        return self.marking


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR"])
def test_the_mask_that_prediction_writes_lies_over_the_file(marking_bundle, tmp_path, axes) -> None:
    hu = np.full((90, 80, 40), BRAIN, np.float32)
    hu[30:50, 30:50, 10:25] = BLOOD
    hu[:5] = hu[-5:] = hu[:, :5] = hu[:, -5:] = -1000
    image = nib.Nifti1Image(hu, np.diag([-2.0, -2, 3, 1]))
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(axes)))
    nib.save(image.as_reoriented(turn), tmp_path / "head.nii.gz")
    bundle = InferenceBundle(marking_bundle)
    item = bundle.preprocessing({"image": str(tmp_path / "head.nii.gz"), "study": "head"})
    marks, volumes, areas = blood_over_image(Network(), SliceInferer(), item["image"])
    answer = Predictor(marking_bundle.root, device="cpu", settings=marking_bundle.settings, trust=True)(
        tmp_path / "head.nii.gz"
    )
    np.testing.assert_array_equal(marks, answer.geometry.in_original_axes(answer.mask))
    assert float(volumes["volume_ml"]) == answer.volume_ml > 0
    assert [float(area["area_mm2"]) for area in areas] == [one.area_mm2 for one in answer.slices]
    (tmp_path / "mask.nii.gz").write_bytes(nifti(answer.mask, answer.geometry))
    np.testing.assert_allclose(nib.load(tmp_path / "mask.nii.gz").affine, item["image"].meta["original_affine"])


def test_what_has_no_geometry_has_no_place_for_a_mask() -> None:
    with pytest.raises(InputError, match="has no geometry"):
        blood_over_image(Network(), SliceInferer(), MetaTensor(torch.zeros(3, 32, 32)))


def test_saliency_is_no_mask_on_phantoms(tmp_path) -> None:
    """Why it gives way where weights make a mask, and what viewers are told of it where they make none."""
    bundle = InferenceBundle(BundleSource(bundle_root(), {"device": "$torch.device('cpu')", "runtime": "torch"}))
    network = bundle.setting("trained_network").eval()
    found = []
    for seed, kind in ((7, "lobar"), (3, "deep"), (5, "subtentorial")):
        folder = tmp_path / kind
        folder.mkdir()
        study = make_study(seed, kind=kind, size=256)
        write_nifti(folder, [study])
        image = bundle.preprocessing({"image": str(folder / f"{study.patient}.nii.gz"), "study": kind})["image"]
        with torch.inference_mode():
            p_ich = bundle.inferer(image.as_tensor()[None], network)[0][:2].softmax(0)[1]
        marks, truth = outline(network, image, p_ich, 0.5) > 0, np.swapaxes(study.blood, 0, 1) > 0
        assert marks.any()
        found.append(2 * (marks & truth).sum() / (marks.sum() + truth.sum()))
    assert np.median(found) < 0.3, "it is better than label.md and the overlay's description say: mend both"
