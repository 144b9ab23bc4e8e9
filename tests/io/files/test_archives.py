import io
import zipfile
import zlib
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ichmonai.io import Code, ImageHeader, ImageSource, OtherFile, Rejection, group_series, scan
from ichmonai.io.discovery import members
from tests.io.dicom_factory import write_head


def pack(path, members, **kwargs):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **kwargs) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusals(path):
    return [(found.path, found.finding.code) for found in scan([path]) if isinstance(found, Rejection)]


def test_members_are_read_where_they_are(tmp_path):
    files = write_head(tmp_path / "files")
    nifti = tmp_path / "v.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((6, 5, 4), np.int16), np.diag([2.0, 2.0, 5.0, 1.0])), nifti)
    picture = io.BytesIO()
    Image.new("L", (8, 6)).save(picture, "PNG")
    path = pack(
        tmp_path / "study.zip",
        {
            **{f"a/b/{file.name}": file.read_bytes() for file in files},
            "v.nii.gz": nifti.read_bytes(),
            "c/slice.PNG": picture.getvalue(),
            "notes.txt": "text",
            "__MACOSX/a/._x.dcm": "AppleDouble",
        },
    )
    before = set(tmp_path.rglob("*"))
    found = list(scan([path]))
    assert set(tmp_path.rglob("*")) == before
    assert Counter(map(type, found)) == {ImageHeader: 22, OtherFile: 2}
    headers = {header.study: header for header in found if isinstance(header, ImageHeader)}
    assert headers[f"{path}/v.nii.gz"].source == ImageSource(str(path), "v.nii.gz")
    assert (headers[f"{path}/v.nii.gz"].slices, headers[f"{path}/c/slice.PNG"].columns) == (4, 8)
    (series,) = group_series(h for h in found if isinstance(h, ImageHeader) and h.modality == "CT")
    assert [image.path for image in series.images] == [str(path)] * 20
    unpacked = [header for header in scan([tmp_path / "files"]) if isinstance(header, ImageHeader)]
    (same,) = group_series(unpacked)
    assert [image.member.split("/")[-1] for image in series.images] == [
        image.path.split("/")[-1] for image in same.images
    ]


def test_archives_in_folders_are_opened(tmp_path):
    (file,) = write_head(tmp_path / "files", 1)
    (tmp_path / "in").mkdir()
    pack(tmp_path / "in" / "x.ZIP", {"image": file.read_bytes()})
    (header,) = scan([tmp_path / "in"])
    assert header.source == ImageSource(str(tmp_path / "in" / "x.ZIP"), "image")
    assert str(header.source) == str(tmp_path / "in" / "x.ZIP" / "image")


@pytest.mark.parametrize(
    "name", ["../x.dcm", "/etc/x.dcm", "a/../../x.dcm", "..\\x.dcm", "C:\\x.dcm", "inner.zip", "a.tar.gz"]
)
def test_names_and_nested_archives_that_are_refused(tmp_path, name):
    (file,) = write_head(tmp_path / "files", 1)
    path = pack(tmp_path / "x.zip", {name: file.read_bytes(), "good": file.read_bytes()})
    found = list(scan([path]))
    (refused,) = (one for one in found if isinstance(one, Rejection))
    assert refused.finding.code is Code.UNSAFE_ARCHIVE
    assert len(found) == 2


def test_encrypted_members_are_refused(tmp_path):
    path = pack(tmp_path / "x.zip", {"secret.dcm": b"x" * 100})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert refusals(path) == [(f"{path}/secret.dcm", Code.UNSAFE_ARCHIVE)]


def test_a_bomb_is_not_inflated(tmp_path, monkeypatch):
    path = pack(tmp_path / "x.zip", {"bomb.dcm": bytes(members.SUSPICIOUS_BYTES + 1)})
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("inflated"))
    assert refusals(path) == [(str(path), Code.UNSAFE_ARCHIVE)]


def test_limits(tmp_path, monkeypatch):
    (file,) = write_head(tmp_path / "files", 1)
    path = pack(tmp_path / "x.zip", {"a.dcm": file.read_bytes(), "b.dcm": file.read_bytes()})
    for name, value, expected in (
        ("MAX_MEMBER_BYTES", 100, [str(path / "a.dcm"), str(path / "b.dcm")]),
        ("MAX_TOTAL_BYTES", 2 * file.stat().st_size - 1, [str(path)]),
        ("MAX_MEMBERS", 1, [str(path)]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(members, name, value)
            assert refusals(path) == [(source, Code.UNSAFE_ARCHIVE) for source in expected]
    assert refusals(path) == []


def test_a_bomb_of_many_small_members(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "SUSPICIOUS_BYTES", 2**20)
    path = pack(tmp_path / "x.zip", {f"{i}.dcm": bytes(2**19) for i in range(8)})
    assert refusals(path) == [(str(path), Code.UNSAFE_ARCHIVE)]


def test_damaged_archives(tmp_path):
    files = write_head(tmp_path / "files", 3)
    whole = pack(tmp_path / "whole.zip", {file.name: file.read_bytes() for file in files}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-200])
    (tmp_path / "text.zip").write_bytes(b"no archive")
    (tmp_path / "empty.zip").write_bytes(b"")
    for name in ("cut", "text", "empty"):
        path = tmp_path / f"{name}.zip"
        assert refusals(path) == [(str(path), Code.UNREADABLE)]
    broken = bytearray(whole)
    broken[60:120] = bytes(60)  # in the first member's stream
    (tmp_path / "broken.zip").write_bytes(broken)
    found = list(scan([tmp_path / "broken.zip"]))
    assert len(found) == 3
    assert sum(isinstance(one, ImageHeader) for one in found) == 2


def test_an_archive_without_images_is_empty(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.txt": "text"})
    assert refusals(path) == [(str(path), Code.EMPTY)]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_one_is_refused(tmp_path):
    (file,) = write_head(tmp_path / "files", 1)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", file.read_bytes())
        archive.writestr("a.dcm", file.read_bytes())
    found = list(scan([path]))
    assert [type(one) for one in found] == [Rejection, ImageHeader]


def test_a_metaimage_in_an_archive_must_hold_its_voxels(tmp_path):
    header = "NDims = 3\nDimSize = 4 4 4\nElementSpacing = 1 1 1\nElementType = MET_SHORT\nElementDataFile = x.raw\n"
    path = pack(tmp_path / "x.zip", {"x.mhd": header, "x.raw": bytes(128)})
    assert refusals(path) == [(f"{path}/x.mhd", Code.UNREADABLE)]
