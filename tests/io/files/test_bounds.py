"""Nothing takes memory by what a header declares, and no file ends the search."""

import importlib
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import nibabel as nib
import numpy as np
import pydicom
import pytest

from ichmonai.io import Code, ImageHeader, ImageSource, Rejection, find_head_ct, group_series, load_head_ct, scan
from ichmonai.io.discovery import find
from ichmonai.io.files import archives, bounded
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.header import Kind
from tests.io.dicom_factory import head_headers, uid_of, write_enhanced, write_head, write_slice

NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 {}\n"
    "space directions: (3,0,0) (0,3,0) (0,0,5)\nendian: little\nencoding: raw\n\n"
)
META = "ObjectType = Image\nNDims = 3\nDimSize = 64 64 {}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"


@contextmanager
def memory_below(mebibytes):
    """Peak of what is allocated inside, numpy's arrays included."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mebibytes * 2**20, f"{peak / 2**20:.0f} MiB"


def codes(path):
    found = list(scan([path], workers=1))
    return [one.finding.code if isinstance(one, Rejection) else type(one).__name__ for one in found]


@pytest.mark.parametrize("slices", [3 * 10**8, 10**13, 10**200])
def test_slices_that_are_only_declared_take_no_memory(tmp_path, slices):
    (tmp_path / "a.nrrd").write_text(NRRD.format(slices))
    (tmp_path / "b.mha").write_text(META.format(slices))
    with memory_below(2):
        found = list(scan([tmp_path], workers=1))
        assert [one.finding.code for one in found] == [Code.TOO_LARGE] * 2
        assert all(len(one.finding.sentence) < 500 for one in found)
    for name in ("a.nrrd", "b.mha"):
        with pytest.raises(HeadCTReadError) as info:
            load_head_ct(tmp_path / name)
        assert info.value.code is Code.TOO_LARGE


def test_a_volume_is_grouped_without_a_list_of_its_slices():
    volume = ImageHeader(
        ImageSource("a.nii"), "a.nii", "a.nii", Kind.VOLUME, rows=64, columns=64, slices=3 * 10**6,
        position=(0.0, 0.0, 0.0), orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing=(3.0, 3.0),
        slice_step=(0.0, 0.0, 5.0),
    )  # fmt: skip
    with memory_below(1):
        (series,) = group_series([volume])
    assert Code.TOO_LARGE in [finding.code for finding in series.findings]
    assert Code.VARYING_SPACING not in [finding.code for finding in series.findings]
    (usual,) = group_series([replace(volume, slices=30)])
    assert (usual.findings, "5 x 3 x 3 mm" in usual.description) == ((), True)


@pytest.mark.parametrize("length", [2**62, -(2**62), -1, 0])
def test_lengths_of_64_bits(tmp_path, length):
    header = bytearray(nib.Nifti2Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).header.binaryblock)
    struct.pack_into("<q", header, 16 + 8 * 3, length)  # the third of dim
    (tmp_path / "a.nii").write_bytes(header + bytes(500))
    with memory_below(2):
        assert codes(tmp_path) == [Code.TOO_LARGE if length > 0 else Code.UNREADABLE]


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), -1e30, 2**31 + 0.0])
def test_voxels_far_behind_their_header(tmp_path, offset):
    image = nib.Nifti1Image(np.zeros((64, 64, 20), np.int16), np.diag([3, 3, 5, 1]))
    content = bytearray(image.to_bytes())
    struct.pack_into("<f", content, 108, offset)
    (tmp_path / "a.nii").write_bytes(content)
    with memory_below(2):
        assert codes(tmp_path) == [Code.UNREADABLE]


def test_thousands_of_dimensions_make_no_matrix(tmp_path):
    (tmp_path / "a.nrrd").write_text(NRRD.format("1 " * 20_000).replace("space directions", "x"))
    with memory_below(8):
        assert codes(tmp_path) == [Code.UNREADABLE]


def test_axes_that_are_nearly_one_have_no_normal(tmp_path):
    text = NRRD.format(20).replace("(3,0,0) (0,3,0)", "(3e9,0,0) (3e9,1e-9,0)")
    (tmp_path / "a.nrrd").write_text(text)
    assert codes(tmp_path) == [Code.BAD_GEOMETRY]


def test_words_where_numbers_belong_are_not_quoted(tmp_path):
    (tmp_path / "a.nrrd").write_text(NRRD.format("DOE^JANE"))
    (tmp_path / "b.mha").write_text(META.format("DOE^JANE"))
    (tmp_path / "c.nrrd").write_text(NRRD.format(20).replace("(3,0,0)", "(DOE^JANE,0,0)"))
    found = list(scan([tmp_path], workers=1))
    assert len(found) == 3
    assert not any("DOE" in one.finding.sentence for one in found)


def element(tag, vr, value, length=None):
    size = len(value) if length is None else length
    return struct.pack("<HH2sHI", *tag, vr, 0, size) + value


def with_elements(path, *elements):
    """A CT image with elements before its pixels."""
    content = write_slice(path).read_bytes()
    pixels = content.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(content[:pixels] + b"".join(elements) + content[pixels:])
    return path


def test_a_sparse_file_with_an_endless_description(tmp_path):
    path = with_elements(tmp_path / "a.dcm", element((0x0018, 0x1030), b"UT", b"", 2**28))
    with path.open("r+b") as file:
        file.truncate(2**29)  # which takes no place on the disk
    with memory_below(72):
        assert codes(path) == [Code.TOO_LARGE]


@pytest.mark.parametrize("undefined", [False, True])
def test_more_items_than_any_head_ct_has(tmp_path, monkeypatch, undefined):
    item = b"\xfe\xff\x00\xe0\0\0\0\0"
    monkeypatch.setattr(bounded, "MAX_READS", 5000)
    items = element((0x5200, 0x9230), b"SQ", item * 300_000, 0xFFFFFFFF if undefined else None)
    path = with_elements(tmp_path / "a.dcm", items)
    with memory_below(16):
        assert codes(path) == [Code.TOO_LARGE]
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert info.value.code is Code.TOO_LARGE


def test_sequences_in_sequences(tmp_path):
    nested = element((0x0008, 0x1140), b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", 0xFFFFFFFF)
    with_elements(tmp_path / "a.dcm", nested * 3000)
    write_slice(tmp_path / "b.dcm")
    assert codes(tmp_path) == [Code.UNREADABLE, "ImageHeader"]


def test_a_deflated_file_behind_a_long_file_meta(tmp_path):
    path = write_slice(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.file_meta[0x00020003] = pydicom.DataElement(0x00020003, "UI", "1." * 1000 + "1", validation_mode=0)
    dataset.save_as(path)
    assert path.read_bytes().index(b"1.2.840.10008.1.2.1.99") > 1024
    assert codes(path) == ["ImageHeader"]
    with path.open("ab") as file:
        file.write(bytes(2**20))
    with memory_below(8):
        assert codes(path) == [Code.TOO_LARGE]
    with pytest.raises(HeadCTReadError) as info:
        load_head_ct(path)
    assert info.value.code is Code.TOO_LARGE


def test_a_gzip_header_that_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MAX_READS", 5000)
    (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * 20_000)
    assert codes(tmp_path) == [Code.TOO_LARGE]


def test_members_that_an_archive_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.txt", "text")
    content = bytearray(path.read_bytes())
    struct.pack_into("<HH", content, content.index(b"PK\5\6") + 8, 1, 1)
    path.write_bytes(content)
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *_: pytest.fail("parsed"))
    for name, value in (("MAX_MEMBERS", 19), ("MAX_DIRECTORY_BYTES", 900)):
        with monkeypatch.context() as patch:
            patch.setattr(archives, name, value)
            assert codes(path) == [Code.UNSAFE_ARCHIVE]


def test_a_name_longer_than_any_path(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x" * 5000 + ".dcm", write_slice(tmp_path / "files" / "x.dcm").read_bytes())
    assert codes(tmp_path / "a.zip") == [Code.UNSAFE_ARCHIVE]


@pytest.mark.parametrize("row", ["x" * 2**25, '"x",' * 2**23, '"x\n",' * 2**22])
def test_a_row_of_a_csv_that_does_not_end(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"path\n{row}\n")
    with memory_below(16):
        assert codes(tmp_path / "a.csv") == [Code.UNREADABLE]


def test_a_csv_of_many_rows_is_streamed(tmp_path):
    (tmp_path / "a.csv").write_text("absent.dcm\n" * 50_000)
    with memory_below(4):
        assert sum(1 for _ in scan([tmp_path / "a.csv"], workers=1)) == 50_000


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError, ZeroDivisionError])
def test_a_reader_that_breaks_ends_nothing(tmp_path, monkeypatch, error):
    write_slice(tmp_path / "a.dcm")
    write_slice(tmp_path / "b.dcm")
    module = importlib.import_module("ichmonai.io.formats.dicom")
    read = module.read_dicom

    def breaking(file, source, size):
        if source.path.endswith("a.dcm"):
            raise error
        return read(file, source, size)

    monkeypatch.setattr(module, "read_dicom", breaking)
    assert codes(tmp_path) == [Code.UNREADABLE, "ImageHeader"]


@pytest.mark.parametrize("error", [MemoryError, RecursionError, ZeroDivisionError("DOE^JANE")])
def test_a_study_that_cannot_be_grouped_fails_alone(tmp_path, monkeypatch, error):
    write_head(tmp_path / "good")
    write_head(tmp_path / "bad", StudyInstanceUID="6.6.6", SeriesInstanceUID=uid_of("bad"))
    group = find.group_series

    def breaking(headers):
        if headers[0].study == "6.6.6":
            raise error
        return group(headers)

    monkeypatch.setattr(find, "group_series", breaking)
    (item,), (rejection,) = find_head_ct(tmp_path)
    assert item["study"] == uid_of("study")
    assert (rejection.study, rejection.series, rejection.finding.code) == ("6.6.6", uid_of("bad"), Code.FAILED)
    assert "DOE" not in rejection.finding.sentence


def test_frames_are_counted_without_a_list(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", [0.0, 5.0])
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 2**31 - 1
    del dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence
    dataset.save_as(path)
    with memory_below(4):
        (header,) = scan([path], workers=1)
        (series,) = group_series([header])
    assert header.slices == 2**31 - 1
    assert Code.TOO_LARGE in [finding.code for finding in series.findings]


def test_the_order_of_checks_takes_no_list_either():
    with memory_below(1):
        group_series(head_headers(1, slices=10**7))


def test_odd_values_are_not_quoted_in_logs(tmp_path, caplog, capfd):
    path = write_slice(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    for tag, vr in ((0x00080005, "CS"), (0x00080060, "CS"), (0x00080016, "UI")):
        dataset[tag] = pydicom.DataElement(tag, vr, "DOE^JANE 1950", validation_mode=0)
    dataset.save_as(path)
    caplog.clear()
    capfd.readouterr()
    list(scan([path], workers=1))
    assert "DOE" not in caplog.text + "".join(capfd.readouterr())
