import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, decollate_batch
from PIL import Image

from ichmonai.io import ImageSource, LoadHeadCT, LoadHeadCTd, load_head_ct
from tests.io.dicom_factory import write_series


def test_array_and_dictionary_forms(tmp_path):
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    assert LoadHeadCT(window=(40, 100))(path).max() == 90
    loaded = LoadHeadCTd("image", window=(40, 100))({"image": path, "patient": "p"})
    assert torch.equal(loaded["image"], LoadHeadCT(window=(40, 100))(path))
    assert loaded["patient"] == "p"
    with pytest.raises(KeyError):
        LoadHeadCTd("other")({"image": path})


@pytest.mark.parametrize("heights", [(0,), (0, 5, 10)])
def test_identity_of_slices_survives_the_data_loader(tmp_path, heights):
    write_series(tmp_path / "dicom", heights)
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)), tmp_path / "volume.nii")
    paths = [str(tmp_path / "dicom"), str(tmp_path / "volume.nii")]
    dataset = Dataset([{"image": path} for path in paths], LoadHeadCTd("image"))
    dicom, nifti = (decollate_batch(batch)[0]["image"] for batch in DataLoader(dataset, batch_size=1))
    expected = load_head_ct(paths[0])
    assert dicom.meta["sop_instance_uids"] == expected.meta["sop_instance_uids"]
    assert len(dicom.meta["sop_instance_uids"]) == dicom.shape[-1] == len(heights)
    assert torch.equal(dicom.affine, expected.affine)
    assert "sop_instance_uids" not in nifti.meta


@pytest.mark.parametrize("copies", [0, 2])
def test_findings_survive_the_data_loader(tmp_path, copies):
    paths = write_series(tmp_path / "dicom", (0, 5, 10))
    for copy in range(copies):
        (tmp_path / "dicom" / f"copy{copy}.dcm").write_bytes(paths[0].read_bytes())
    dataset = Dataset([{"image": str(tmp_path / "dicom")}], LoadHeadCTd("image"))
    (batch,) = DataLoader(dataset, batch_size=1)
    expected = load_head_ct(tmp_path / "dicom").meta["findings"]
    # An empty list comes back as None.
    assert (decollate_batch(batch)[0]["image"].meta["findings"] or []) == expected
    assert len(expected) == (copies > 0)


def test_locations_are_taken_like_paths(tmp_path):
    paths = write_series(tmp_path, (0, 5, 10))
    sources = [ImageSource(str(path)) for path in paths]
    assert torch.equal(LoadHeadCT()(sources), LoadHeadCT()(str(tmp_path)))
    assert torch.equal(LoadHeadCTd("image")({"image": sources[0]})["image"], load_head_ct(paths[0]))
