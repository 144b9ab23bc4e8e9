import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ichmonai.io import Code, HeadCTReadError, find_head_ct, load_head_ct
from tests.io.dicom_factory import SERIES, uid_of, write_enhanced, write_head, write_slice

HEAD = np.diag([-2.5, -2.5, 5.0, 1.0])


def test_all_kinds_at_any_depth(tmp_path):
    slices = write_head(tmp_path / "b" / "series")
    write_head(tmp_path / "a", 1, SeriesInstanceUID=uid_of("one"), StudyInstanceUID=uid_of("another"))
    (tmp_path / "a" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "a" / "readme.txt").write_text("text")
    (tmp_path / "c").mkdir()
    Image.new("L", (64, 64)).save(tmp_path / "c" / "slice.PNG")
    (tmp_path / "c" / "._slice.png").write_bytes(b"AppleDouble")
    nib.save(nib.Nifti1Image(np.zeros((60, 60, 20), np.int16), HEAD), tmp_path / "volume.nii.gz")
    found = {item["study"]: item["image"] for item in find_head_ct(tmp_path, ["too_few_slices"])[0]}
    (one,) = (tmp_path / "a").glob("*.dcm")
    assert found == {
        uid_of("another"): str(one),
        uid_of("study"): list(map(str, slices)),
        str(tmp_path / "c" / "slice.PNG"): str(tmp_path / "c" / "slice.PNG"),
        str(tmp_path / "volume.nii.gz"): str(tmp_path / "volume.nii.gz"),
    }
    shapes = [tuple(load_head_ct(image).shape) for image in found.values()]
    assert shapes == [(1, 48, 48), (1, 48, 48, 20), (1, 64, 64), (1, 60, 60, 20)]


def test_one_series_of_each_study_is_taken_and_the_rest_handed_back(tmp_path):
    write_head(tmp_path / "contrast", SeriesInstanceUID=uid_of("contrast"), ContrastBolusAgent="Iomeron")
    write_head(tmp_path / "plain", SeriesDescription="HEAD 5mm")
    write_head(tmp_path / "mr", SeriesInstanceUID=uid_of("mr"), StudyInstanceUID=uid_of("mr study"), Modality="MR")
    (tmp_path / "z.dcm").write_bytes(b"")
    (item,), rejections = find_head_ct(tmp_path)
    assert (item["study"], item["series"]) == (uid_of("study"), SERIES)
    assert all("plain" in path for path in item["image"])
    codes = {rejection.finding.code for rejection in rejections}
    assert codes == {Code.CONTRAST, Code.WRONG_MODALITY, Code.UNREADABLE}


def test_what_is_refused_can_be_accepted(tmp_path):
    write_head(tmp_path, ContrastBolusAgent="Iomeron")
    with pytest.raises(HeadCTReadError, match="ContrastBolusAgent") as raised:
        find_head_ct(tmp_path)
    assert raised.value.code is Code.CONTRAST
    (item,), _ = find_head_ct(tmp_path, accept=["contrast"])
    assert len(item["image"]) == 20
    assert [code for code, _ in item["findings"]] == ["contrast"]


def test_slices_are_in_order_and_frames_have_locations(tmp_path):
    slices = write_head(tmp_path / "a", lowest=-3)
    (item,), _ = find_head_ct(tmp_path / "a")
    assert item["image"] == list(map(str, slices))
    frames = find_head_ct(write_enhanced(tmp_path / "b.dcm", [5.0 * i for i in range(20)]))[0][0]["image"]
    assert [(source.path, source.frame) for source in frames] == [(str(tmp_path / "b.dcm"), i) for i in range(20)]


def test_one_file(tmp_path):
    path = write_slice(tmp_path / "one.dcm", shape=(48, 48), spacing=(3.0, 3.0))
    (item,), _ = find_head_ct(path, ["too_few_slices"])
    assert (item["image"], item["study"]) == (str(path), SERIES)


def test_nothing_there(tmp_path):
    with pytest.raises(HeadCTReadError, match="does not exist"):
        find_head_ct(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(HeadCTReadError, match="holds no image") as raised:
        find_head_ct(tmp_path)
    assert raised.value.code is Code.EMPTY
    (tmp_path / "x.dcm").write_bytes(b"")
    (tmp_path / "y.nii").write_bytes(b"")
    with pytest.raises(HeadCTReadError, match=r"x\.dcm.*And 1 more") as raised:
        find_head_ct(tmp_path)
    assert raised.value.code is Code.UNREADABLE
