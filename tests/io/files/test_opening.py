"""Zip members, limits, and paths that are no images."""

import os
import tempfile
import zipfile

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ichmonai.io import Code, HeadCTReadError, ImageSource, load_head_ct
from ichmonai.io.files import opening
from tests.io.dicom_factory import write_series, write_slice
from tests.io.test_head_ct import itk

pytestmark = pytest.mark.filterwarnings("ignore:builtin type .*:DeprecationWarning")  # of itk's wrapping


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A zip of files of each kind, whose temporary files can be seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    files = tmp_path / "files"
    write_series(files / "series", (0, 5, 10))
    hu = np.random.default_rng(0).integers(-1000, 2000, (6, 5, 4)).astype(np.int16)
    nib.save(nib.Nifti1Image(hu, np.eye(4)), files / "a.nii")
    nib.save(nib.Nifti1Image(hu, np.eye(4)), files / "b.v1.NII.GZ")
    itk.imwrite(itk.image_from_array(hu), str(files / "c.nrrd"))
    itk.imwrite(itk.image_from_array(hu), str(files / "d.mha"))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(files / "e.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(files.rglob("*.*")):
            zipped.write(file, file.relative_to(files).as_posix())
    return tmp_path / "all.zip"


def refusal(*arguments):
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(*arguments)
    assert "\n" not in str(info.value)
    return info.value


def test_members_read_like_files(archive):
    files = archive.parent / "files"
    names = [path.relative_to(files).as_posix() for path in sorted(files.rglob("*.*"))]
    assert len(names) == 8
    for name in names:
        member, file = load_head_ct(ImageSource(str(archive), name)), load_head_ct(files / name)
        assert np.array_equal(member, file)
        assert np.array_equal(member.affine, file.affine)
        assert member.meta["filename_or_obj"] == f"{archive}/{name}"
    series = [ImageSource(str(archive), name) for name in names if name.startswith("series")]
    volume = load_head_ct(series)
    assert np.array_equal(volume, load_head_ct(files / "series"))
    assert list((archive.parent / "temporary").iterdir()) == []


def test_one_location_of_a_list_is_read_as_what_it_is(archive):
    files = archive.parent / "files"
    assert load_head_ct([ImageSource(str(files / "a.nii"))]).shape == (1, 5, 6, 4)
    assert load_head_ct((ImageSource(str(archive), "e.png"),)).shape == (1, 8, 8)
    assert load_head_ct([next((files / "series").iterdir())]).shape == (1, 32, 24, 1)


def test_damaged_members_leave_nothing_behind(archive):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as zipped:
        places = {info.filename: info.header_offset + 60 for info in zipped.infolist()}
    for place in places.values():
        content[place] ^= 0xFF
    archive.write_bytes(content)
    for name in places:
        assert refusal(ImageSource(str(archive), name)).code in (Code.UNREADABLE, Code.UNDECODABLE)
    assert refusal(ImageSource(str(archive), "absent.nii")).code is Code.UNREADABLE
    archive.write_bytes(b"no archive")
    assert refusal(ImageSource(str(archive), "a.nii")).code is Code.UNREADABLE
    assert list((archive.parent / "temporary").iterdir()) == []


def test_what_inflates_too_far_is_refused(archive, monkeypatch):
    monkeypatch.setattr(opening, "MAX_BYTES", 50)
    for name in ("a.nii", "e.png", "c.nrrd"):
        assert refusal(ImageSource(str(archive), name)).code is Code.TOO_LARGE
        assert refusal(archive.parent / "files" / name).code is Code.TOO_LARGE
    assert list((archive.parent / "temporary").iterdir()) == []


def test_no_space_for_a_member(archive, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/dev/full/absent")
    assert refusal(ImageSource(str(archive), "a.nii")).code is Code.FAILED


def test_what_is_no_file(tmp_path):
    assert "does not exist" in str(refusal(tmp_path / "absent.dcm"))
    os.mkfifo(tmp_path / "pipe.dcm")
    assert "is no file" in str(refusal(tmp_path / "pipe.dcm"))  # and does not wait for it
    assert refusal([]).code is Code.EMPTY
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").code is Code.EMPTY
    for name in ("a.hdr", "b.img", "c.img.gz"):
        (tmp_path / name).write_bytes(nib.Nifti1Pair.header_class().binaryblock)
        assert "half of a pair of files" in str(refusal(tmp_path / name))


@pytest.mark.parametrize(
    ("rows", "columns", "frames"), [(65535, 65535, 60000), (65535, 65535, 1), (2049, 16, 1), (512, 512, 2049)]
)
def test_absurd_dicom_is_refused_before_anything_is_allocated(tmp_path, rows, columns, frames):
    path = write_slice(tmp_path / "a.dcm", Rows=rows, Columns=columns, NumberOfFrames=frames)
    assert refusal(path).code is Code.TOO_LARGE


def test_a_series_of_many_files_is_counted_as_a_whole(tmp_path, monkeypatch):
    write_series(tmp_path, (0, 5, 10))
    monkeypatch.setattr("ichmonai.io.limits.MAX_VOXELS", 3 * 32 * 24)
    assert load_head_ct(tmp_path).shape[-1] == 3
    monkeypatch.setattr("ichmonai.io.limits.MAX_VOXELS", 3 * 32 * 24 - 1)
    assert refusal(tmp_path).code is Code.TOO_LARGE


@pytest.mark.parametrize("shape", [(32767, 32767, 32767), (2049, 4, 4), (2048, 2048, 129)])
def test_absurd_volumes_are_refused_before_anything_is_allocated(tmp_path, shape):
    header = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).header
    header.set_data_shape(shape)
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(1000))
    sizes = " ".join(map(str, shape))
    (tmp_path / "b.nrrd").write_text(
        f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nspace: left-posterior-superior\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\nendian: little\n\n"
    )
    (tmp_path / "c.mha").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = {sizes}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    for name in ("a.nii", "b.nrrd", "c.mha"):
        assert refusal(tmp_path / name).code is Code.TOO_LARGE


def test_pictures_larger_than_any_slice(tmp_path):
    Image.new("L", (2049, 8)).save(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png").code is Code.TOO_LARGE
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")  # 50 KB
    assert refusal(tmp_path / "bomb.png").code is Code.TOO_LARGE
    assert "more pixels than any slice" in str(refusal(tmp_path / "bomb.png"))


@pytest.mark.parametrize("suffix", [".png", ".dcm", ".hdr", ".img", ""])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, suffix):
    with pytest.raises(HeadCTReadError, match=r"cannot be opened \(File name too long\)"):
        load_head_ct(tmp_path / f"{'9' * 400}{suffix}")
