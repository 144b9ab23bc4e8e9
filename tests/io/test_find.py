import nibabel as nib
import numpy as np
import pytest
from dicom_factory import uid_of, write_series, write_slice
from PIL import Image

from ichmonai.io import HeadCTReadError, find_head_ct, load_head_ct


def test_all_kinds_at_any_depth(tmp_path):
    write_series(tmp_path / "b" / "series", (0, 5))
    write_slice(tmp_path / "a" / "x.dcm")
    write_slice(tmp_path / "a" / "y", SeriesInstanceUID=uid_of("other"))
    (tmp_path / "a" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "a" / "readme.txt").write_text("text")
    (tmp_path / "c").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "c" / "slice.PNG")
    (tmp_path / "c" / "._slice.png").write_bytes(b"AppleDouble")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)), tmp_path / "volume.nii.gz")
    found = {item["study"]: item["image"] for item in find_head_ct(tmp_path)}
    assert found == {
        "volume.nii.gz": str(tmp_path / "volume.nii.gz"),
        "a#1": [str(tmp_path / "a" / "x.dcm")],
        "a#2": [str(tmp_path / "a" / "y")],
        "b/series": str(tmp_path / "b" / "series"),
        "c/slice.PNG": str(tmp_path / "c" / "slice.PNG"),
    }
    assert [load_head_ct(image).shape[1:] for image in found.values()] == [
        (4, 4, 2), (32, 24, 1), (32, 24, 1), (32, 24, 2), (8, 8),
    ]  # fmt: skip


def test_a_damaged_file_is_an_entry_of_its_own_that_says_why(tmp_path):
    write_series(tmp_path, (0, 5))
    (tmp_path / "z.dcm").write_bytes(b"")
    series, damaged = (item["image"] for item in find_head_ct(tmp_path))
    assert load_head_ct(series).shape[-1] == 2
    with pytest.raises(HeadCTReadError, match=r"z\.dcm"):
        load_head_ct(damaged)


def test_one_file(tmp_path):
    path = write_slice(tmp_path / "one.dcm")
    assert find_head_ct(path) == [{"image": str(path), "study": "one.dcm"}]


def test_nothing_there(tmp_path):
    with pytest.raises(HeadCTReadError, match="does not exist"):
        find_head_ct(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(HeadCTReadError, match="holds no DICOM"):
        find_head_ct(tmp_path)
