"""Formats beside the usual ones: each is read, or named with a reason."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from ichmonai.io import Code, HeadCTReadError, ImageHeader, ImageSource, OtherFile, Rejection, load_head_ct, scan
from ichmonai.io.contents import files_of
from tests.io.dicom_factory import write_enhanced, write_head, write_slice

AFFINE = np.array([[-3.0, 0, 0, 90], [0, 3, 0, -80], [0, 0, 5, 10], [0, 0, 0, 1]])


@pytest.fixture
def hu():
    return np.random.default_rng(0).integers(-1000, 2000, (48, 40, 20)).astype(np.int16)


def outcome(path):
    return [
        (one.path, one.finding.code)
        if isinstance(one, Rejection)
        else (one.path, "other")
        if isinstance(one, OtherFile)
        else (str(one.source), "image")
        for one in scan([path], workers=1)
    ]


def same(path, reference, oriented=True):
    found, expected = load_head_ct(path), load_head_ct(reference)
    assert np.array_equal(found, expected)
    if oriented:
        assert np.allclose(found.affine, expected.affine, atol=1e-4)


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("suffixes", [(".hdr", ".img"), (".hdr.gz", ".img.gz"), (".HDR", ".IMG"), (".hdr", ".img.gz")])
def test_a_pair_is_one_image(tmp_path, hu, kind, suffixes):
    nib.save(nib.Nifti1Image(hu, AFFINE), tmp_path / "reference.nii")
    nib.save(kind(hu, AFFINE), tmp_path / "x.hdr")
    (tmp_path / "in").mkdir()
    for old, new in zip((".hdr", ".img"), suffixes, strict=True):
        content = (tmp_path / f"x{old}").read_bytes()
        (tmp_path / "in" / f"v{new}").write_bytes(gzip.compress(content) if new.endswith("gz") else content)
    header, voxels = (str(tmp_path / "in" / f"v{suffix}") for suffix in suffixes)
    assert outcome(tmp_path / "in") == [(header, "image"), (voxels, "other")]
    assert outcome(voxels) == [(header, "image")]
    for path in (header, voxels):
        same(path, tmp_path / "reference.nii")
    assert files_of(ImageSource(header)) == [header, voxels]
    (found,) = (one for one in scan([header], workers=1))
    assert (found.slices, found.rows, found.columns) == (20, 40, 48)


def test_an_analyze_pair_without_a_scale(tmp_path, hu):
    nib.save(nib.Nifti1Image(hu, AFFINE), tmp_path / "reference.nii")
    image = nib.AnalyzeImage(hu, None)
    image.header.set_zooms((3, 3, 5))
    nib.save(image, tmp_path / "v.hdr")
    header = str(tmp_path / "v.hdr")
    assert outcome(header) == [(header, "image")]
    same(header, tmp_path / "reference.nii", oriented=False)
    content = bytearray((tmp_path / "v.hdr").read_bytes())
    struct.pack_into("<f", content, 112, 2.5)
    (tmp_path / "v.hdr").write_bytes(content)
    assert outcome(header) == [(header, Code.NOT_HU)]
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(header)
    assert info.value.code is Code.NOT_HU


def test_half_a_pair_is_named(tmp_path, hu):
    nib.save(nib.Nifti1Pair(hu, AFFINE), tmp_path / "x.hdr")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "x.hdr").rename(tmp_path / "one" / "x.hdr")
    (tmp_path / "x.img").rename(tmp_path / "two" / "x.img")
    for path in (tmp_path / "one" / "x.hdr", tmp_path / "two" / "x.img"):
        assert outcome(path.parent) == [(str(path), Code.UNREADABLE)]
        with pytest.raises(HeadCTReadError, match="half of a pair"):
            load_head_ct(path)


def test_voxels_of_a_pair_that_are_cut_off(tmp_path, hu):
    nib.save(nib.Nifti1Pair(hu, AFFINE), tmp_path / "x.hdr")
    voxels = tmp_path / "x.img"
    voxels.write_bytes(voxels.read_bytes()[:-1])
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(tmp_path / "x.hdr")
    assert info.value.code is Code.UNDECODABLE


def test_a_pair_in_an_archive_is_refused(tmp_path, hu):
    nib.save(nib.Nifti1Pair(hu, AFFINE), tmp_path / "x.hdr")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("x.hdr", "x.img"):
            archive.write(tmp_path / name, name)
    assert outcome(tmp_path / "a.zip") == [
        (f"{tmp_path}/a.zip/x.hdr", Code.UNREADABLE),
        (f"{tmp_path}/a.zip/x.img", "other"),
    ]


@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
def test_mgh(tmp_path, hu, suffix):
    nib.save(nib.Nifti1Image(hu, AFFINE), tmp_path / "reference.nii")
    path = tmp_path / "in" / f"v{suffix}"
    path.parent.mkdir()
    nib.save(nib.MGHImage(hu, AFFINE), path)
    assert outcome(path.parent) == [(str(path), "image")]
    same(path, tmp_path / "reference.nii")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(HeadCTReadError):
        load_head_ct(path)
    path.write_bytes(gzip.compress(b"no volume" * 99))
    assert outcome(path) == [(str(path), Code.UNREADABLE)]


def test_a_detached_nrrd_and_its_voxels(tmp_path, hu):
    nib.save(nib.Nifti1Image(hu, AFFINE), tmp_path / "reference.nii")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "voxels.bin").write_bytes(hu.tobytes(order="F"))
    (folder / "v.nhdr").write_text(
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 48 40 20\n"
        "space directions: (3,0,0) (0,-3,0) (0,0,5)\nspace origin: (-90,80,10)\nendian: little\nencoding: raw\n"
        "data file: voxels.bin\n\n"
    )
    assert outcome(folder) == [(str(folder / "v.nhdr"), "image"), (str(folder / "voxels.bin"), "other")]
    same(folder / "v.nhdr", tmp_path / "reference.nii")
    (folder / "v.nhdr").unlink()
    assert outcome(folder) == [(str(folder / "voxels.bin"), Code.UNREADABLE)]


def test_a_packed_dicom_file(tmp_path):
    plain = write_slice(tmp_path / "x.dcm")
    packed = tmp_path / "in" / "x.dcm.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert outcome(packed.parent) == [(str(packed), "image")]
    same(packed, plain)
    assert load_head_ct(packed.parent).shape == (1, 32, 24, 1)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(HeadCTReadError):
        load_head_ct(packed)
    packed.write_bytes(plain.read_bytes())
    assert outcome(packed) == [(str(packed), Code.UNREADABLE)]


def bare(path, syntax, left_out):
    """A DICOM file in a transfer syntax, without its first bytes: preamble and prefix, or all before the image."""
    read = pydicom.dcmread(path)
    dataset = pydicom.Dataset({element.tag: element for element in read})
    dataset.file_meta = read.file_meta
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    target = io.BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    content = target.getvalue()
    image = content.index(b"\0\x08\0\x16" if syntax == ExplicitVRBigEndian else b"\x08\0\x16\0")
    return content[image if left_out == "meta" else left_out :]


@pytest.mark.parametrize("left_out", [132, 144, "meta"])  # with and without the group length
@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_dicom_without_preamble_or_meta(tmp_path, syntax, left_out):
    plain = write_slice(tmp_path / "x.dcm")
    for name in ("IM1", "IM1.dcm"):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bare(plain, syntax, left_out))
        assert outcome(path) == [(str(path), "image")]
        same(path, plain)
    assert load_head_ct(tmp_path / "in").shape[-1] == 1


def test_what_only_begins_like_dicom_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"\x08\0\x05\0CS\x0a\0ISO_IR 100")
    (tmp_path / "b").write_bytes(b"\x08\0\x16\0UI" + bytes(100))
    assert [code for _, code in outcome(tmp_path)] == [Code.UNREADABLE] * 2


def test_a_dicomdir_under_another_name(tmp_path):
    from pydicom.fileset import FileSet

    disc = FileSet()
    details = {"PatientID": "x", "PatientName": "x", "StudyID": "1", "StudyDate": "20200101", "StudyTime": "1200"}
    for path in write_head(tmp_path / "files", 3, **details, SeriesNumber=1, InstanceNumber=1):
        disc.add(path)
    disc.write(tmp_path / "disc")
    index = (tmp_path / "disc" / "DICOMDIR").rename(tmp_path / "disc" / "index.dcm")
    images = sorted(str(one) for one in (tmp_path / "disc").rglob("*") if one.is_file() and one != index)
    assert sorted(outcome(index)) == [(one, "image") for one in images]
    assert sorted(outcome(tmp_path / "disc")) == sorted([(str(index), "other"), *((one, "image") for one in images)])
    Path(images[0]).unlink()
    assert (images[0], Code.UNREADABLE) in outcome(tmp_path / "disc")
    assert (images[0], Code.UNREADABLE) in outcome(index)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.mnc", b"CDF\1" + bytes(50)), ("x.PAR", b"# text"), ("x.REC", bytes(50)), ("x.HEAD", b"type = text"),
        ("x.BRIK.gz", gzip.compress(b"x", mtime=0)), ("x.tif", b"II*\0"), ("x.npy", b"\x93NUMPY"), ("x.raw", bytes(50)),
        ("x.gz", gzip.compress(b"x", mtime=0)), ("x.nii.bz2", b"BZh"), ("IM1", bytes(500)), ("IM2", b""),
        ("x.img", b"\0\1"),
        ("picture", b"\x89PNG\r\n\x1a\n"), ("x.dcm.xz", b"\xfd7zXZ\0"), ("x.hdr", b"ENVI\nsamples = 3\n"),
    ],
)  # fmt: skip
def test_what_may_be_an_image_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert outcome(tmp_path) == [(str(tmp_path / name), Code.UNREADABLE)]
    (found,) = scan([tmp_path], workers=1)
    assert found.finding.sentence.endswith(".")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("readme", b"plain text\n"), ("x.csv", b"\0"), ("x.json.gz", gzip.compress(b"{}", mtime=0)),
        ("x.pdf", b"%PDF-1.4"),
        ("Thumbs.db", b"\xd0\xcf"), ("x.pt", b"PK\3\4"), ("program", b"\x7fELF\2"), ("utf16", "text".encode("utf-16")),
        ("latin", "Schädel ohne Befund".encode("latin-1")),
    ],
)  # fmt: skip
def test_what_is_certainly_no_image_is_counted(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert outcome(tmp_path)[0] == (str(tmp_path / name), "other")


def test_an_enhanced_file_without_preamble(tmp_path):
    path = write_enhanced(tmp_path / "x.dcm", [0.0, 5.0])
    path.write_bytes(path.read_bytes()[132:])
    assert [one.source.frame for one in scan([path], workers=1) if isinstance(one, ImageHeader)] == [0, 1]
