import gzip
import importlib
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import psutil
import pydicom
import pytest
from PIL import Image
from pydicom.fileset import FileSet

from ichmonai.csv_cells import csv_cell
from ichmonai.io import (
    Code,
    HeadCTReadError,
    ImageHeader,
    ImageSource,
    OtherFile,
    Rejection,
    find_head_ct,
    group_series,
    load_head_ct,
    scan,
)
from ichmonai.io.header import Kind
from tests.io.dicom_factory import SERIES, uid_of, write_enhanced, write_head, write_slice

FREE_TEXT = """
SeriesDescription StudyDescription ProtocolName ContrastBolusAgent BodyPartExamined ConvolutionKernel Manufacturer
ManufacturerModelName ImageType BurnedInAnnotation Modality PhotometricInterpretation SOPClassUID RescaleType
SliceThickness PixelSpacing ImagePositionPatient GantryDetectorTilt SpecificCharacterSet PatientName PatientComments
ImageComments StationName InstitutionName OperatorsName
"""
PATIENT = {"PatientName": "DOE^JANE", "PatientID": "MRN-4711", "PatientBirthDate": "19500101"}


def codes(found):
    return [(Path(one.path).name, one.finding.code) for one in found if isinstance(one, Rejection)]


def places(found):
    return [str(one.source) for one in found if isinstance(one, ImageHeader)]


def stateless(found):
    """Without the state of files, which says whether they were written just now."""
    return [one.in_state("") if isinstance(one, ImageHeader) else one for one in found]


def changed(path, **attributes):
    """Rewrite a file with values that pydicom would refuse to write."""
    dataset = pydicom.dcmread(path)
    for name, (vr, value) in attributes.items():
        dataset[name] = pydicom.DataElement(name, vr, value, validation_mode=pydicom.config.IGNORE)
    dataset.save_as(path)
    return path


def test_every_kind_at_any_depth_in_order(tmp_path):
    write_slice(tmp_path / "a" / "b" / "with.dcm")
    write_slice(tmp_path / "a" / "without")
    Image.new("RGB", (8, 6)).save(tmp_path / "a" / "slice.JPG")
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), tmp_path / "v.nii.gz")
    (tmp_path / "readme.txt").write_text("text")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    found = list(scan([tmp_path]))
    assert places(found) == [str(tmp_path / name) for name in ("a/b/with.dcm", "a/slice.JPG", "a/without", "v.nii.gz")]
    assert [type(one) for one in found].count(OtherFile) == 2
    assert found == list(scan([tmp_path]))


def test_what_a_header_says_and_what_it_keeps_to_itself(tmp_path):
    attributes = {"ConvolutionKernel": ["J40s", "3"], "GantryDetectorTilt": "-12.5", "AcquisitionNumber": 3, **PATIENT}
    path = write_slice(tmp_path / "x.dcm", StudyInstanceUID="1.2.3", **attributes)
    (header,) = scan([path])
    assert (header.study, header.series, header.sop_instance_uid) == ("1.2.3", SERIES, uid_of("x"))
    assert (header.rows, header.columns, header.spacing, header.position) == (32, 24, (0.5, 1.0), (-10.0, -12.0, 0.0))
    assert (header.kernel, header.gantry_tilt, header.acquisition) == ("J40s 3", -12.5, 3)
    assert header.findings == ()
    text = header.to_json()
    assert ImageHeader.from_json(text) == header
    assert not any(value in text for value in PATIENT.values())


@pytest.mark.parametrize("encoded", ["Müller^Zoë 19500101", "DOE^JANE MRN4711"])
@pytest.mark.filterwarnings("ignore")
def test_a_name_in_any_free_text_is_not_kept(tmp_path, encoded):
    names = FREE_TEXT.split()
    parts = set(re.split(r"[\W_]+", encoded))

    def is_kept(text):
        return [part for part in parts if part in text]

    for name in (*names, "all"):
        changes = dict.fromkeys(names if name == "all" else [name], ("LO", f"contrast {encoded} chest"))
        changes |= {"Modality": ("CS", "CT")} if name != "Modality" else {}
        path = changed(write_slice(tmp_path / f"{name}.dcm", StudyInstanceUID="1.2"), **changes)
        (header,) = found = list(scan([path]))
        if isinstance(header, ImageHeader):
            assert not is_kept(header.to_json()), name
            found = group_series([header])
            assert not is_kept(found[0].description), name
            sentences = [finding.sentence for finding in found[0].findings]
        else:
            sentences = [header.finding.sentence]
        try:
            meta = load_head_ct(path).meta
            sentences += [sentence for _, sentence in meta["findings"]]
        except HeadCTReadError as error:
            sentences.append(str(error))
        assert not is_kept(" ".join(sentences)), name


def test_the_study_is_named_by_what_there_is(tmp_path):
    (header,) = scan([write_slice(tmp_path / "x.dcm")])
    assert header.study == SERIES
    Image.new("L", (8, 8)).save(tmp_path / "y.png")
    (picture,) = scan([tmp_path / "y.png"])
    assert picture.study == picture.series == str(tmp_path / "y.png")


def test_relative_inputs_stay_relative(tmp_path, monkeypatch):
    write_slice(tmp_path / "in" / "x.dcm")
    monkeypatch.chdir(tmp_path)
    assert places(scan(["in"])) == [os.path.join("in", "x.dcm")]  # noqa: PTH118


@pytest.mark.parametrize("name", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
@pytest.mark.parametrize(
    "value", [("LO", "DOE^JANE"), ("DS", ["nan"] * 3), ("DS", "0"), ("FD", [1e300] * 6), ("OB", b"\xff")]
)
def test_malformed_geometry_is_a_finding(tmp_path, name, value):
    (header,) = scan([changed(write_slice(tmp_path / "x.dcm"), **{name: value})])
    (finding,) = header.findings
    assert (finding.code, name in finding.sentence, "DOE" in finding.sentence) == (Code.BAD_GEOMETRY, True, False)
    assert not header.is_placed


@pytest.mark.parametrize(
    "name", ["Rows", "SliceThickness", "AcquisitionNumber", "ImageType", "Modality", "StudyInstanceUID"]
)
@pytest.mark.parametrize(
    "value", [("LO", "words"), ("OB", b"\x00\xff\x80"), ("FD", float("nan")), ("SQ", []), ("SH", "")]
)
def test_malformed_values_raise_nothing(tmp_path, name, value):
    (found,) = scan([changed(write_slice(tmp_path / "x.dcm"), **{name: value})])
    assert isinstance(found, ImageHeader)
    assert ImageHeader.from_json(found.to_json()) == found
    (series,) = group_series([found])
    assert series.findings  # a single slice in any case


def test_truncated_and_flipped_headers_are_accounted_for(tmp_path):
    content = write_slice(tmp_path / "whole.dcm").read_bytes()
    random = np.random.default_rng(0)
    for size in range(0, 900, 30):
        (tmp_path / f"cut{size}.dcm").write_bytes(content[:size])
    for number in range(60):
        flipped = bytearray(content)
        for position in random.integers(132, 1000, size=4):
            flipped[position] ^= 1 << random.integers(8)
        (tmp_path / f"flip{number}.dcm").write_bytes(flipped)
    found = list(scan([tmp_path]))
    assert len(found) == 91
    assert {code for _, code in codes(found)} == {Code.UNREADABLE}
    group_series(one for one in found if isinstance(one, ImageHeader))


def test_a_large_deflated_file_is_not_inflated(tmp_path):
    path = write_slice(tmp_path / "x.dcm")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert places(scan([path])) == [str(path)]
    with path.open("ab") as file:
        file.write(bytes(2**20))
    assert codes(scan([path])) == [("x.dcm", Code.TOO_LARGE)]


def test_what_is_named_has_to_be_an_image(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.dcm").write_bytes(b"")
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(b""))
    named = [tmp_path / name for name in ("notes.txt", "empty", "x.dcm", "x.tar.gz", "absent", "nul\0")]
    assert codes(scan(named)) == [
        ("notes.txt", Code.UNREADABLE),
        ("empty", Code.EMPTY),
        ("x.dcm", Code.UNREADABLE),
        ("x.tar.gz", Code.UNREADABLE),
        ("absent", Code.UNREADABLE),
        (r"nul\x00", Code.UNREADABLE),
    ]


def test_a_folder_of_other_files_is_empty(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    assert [type(one) for one in scan([tmp_path])] == [OtherFile, Rejection]
    assert codes(scan([tmp_path])) == [(tmp_path.name, Code.EMPTY)]


def test_links_are_followed_and_loops_are_not(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    write_slice(elsewhere / "x.dcm")
    root = tmp_path / "root"
    write_slice(root / "a" / "y.dcm")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (root / "b").symlink_to(elsewhere)
    (root / "c.dcm").symlink_to(elsewhere / "x.dcm")
    (root / "loop").symlink_to(root / "loop")
    (root / "nowhere.dcm").symlink_to(root / "gone")
    found = list(scan([root]))
    assert places(found) == [str(root / "a" / "y.dcm"), str(root / "b" / "x.dcm")]
    assert codes(found) == [("loop", Code.UNREADABLE), ("nowhere.dcm", Code.UNREADABLE)]


def test_a_file_is_taken_once(tmp_path):
    path = write_slice(tmp_path / "in" / "x.dcm")
    (tmp_path / "link.dcm").symlink_to(path)
    os.link(path, tmp_path / "in" / "y.dcm")
    for inputs in (
        [path, tmp_path / "in"],
        [tmp_path / "in", path],
        [tmp_path / "link.dcm", tmp_path / "in", tmp_path],
    ):
        found = list(scan(inputs))
        assert len(found) == len(places(found)) == 1
        assert places(found)[0].startswith(str(inputs[0]))


def test_pipes_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    write_slice(tmp_path / "x.dcm")
    assert [type(one) for one in scan([tmp_path])] == [Rejection, ImageHeader]
    assert codes(scan([tmp_path])) == [("pipe.dcm", Code.UNREADABLE)]
    assert codes(scan([tmp_path / "pipe.dcm", "/dev/null"])) == [
        ("pipe.dcm", Code.UNREADABLE),
        ("null", Code.UNREADABLE),
    ]


def test_what_may_not_be_opened_is_told(tmp_path, monkeypatch):
    write_slice(tmp_path / "a" / "x.dcm")
    write_slice(tmp_path / "b" / "y.dcm")

    def refuse(function, name):
        def refusing(path, *args, **kwargs):
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **kwargs)

        return refusing

    monkeypatch.setattr(os, "scandir", refuse(os.scandir, "a"))
    monkeypatch.setattr(Path, "open", refuse(Path.open, "y.dcm"))
    found = list(scan([tmp_path]))
    assert codes(found) == [("a", Code.UNREADABLE), ("y.dcm", Code.UNREADABLE)]
    assert all("Permission denied" in one.finding.sentence for one in found)


def test_deep_folders(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(1200):  # deeper than Python recurses
            os.mkdir("d", dir_fd=here)
            inner = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
    finally:
        os.close(here)
    try:
        assert codes(scan([tmp_path])) == [(tmp_path.name, Code.EMPTY)]
    finally:  # Python's own means cannot remove it
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_a_csv_of_paths(tmp_path):
    write_slice(tmp_path / "data" / "x.dcm")
    write_head(tmp_path / "data" / "series", 3)
    (tmp_path / "named.csv").write_text("\ufeffid,Path\n1,data/x.dcm\n2,data/series\n3,data/absent.dcm\n4,\n")
    found = list(scan([tmp_path / "named.csv"]))
    assert len(places(found)) == 4
    assert places(found)[0] == str(tmp_path / "data" / "x.dcm")
    assert codes(found) == [("absent.dcm", Code.UNREADABLE)]
    (tmp_path / "plain.csv").write_text("data/x.dcm\ndata/series\n")
    assert places(scan([tmp_path / "plain.csv"])) == places(found)
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\n")
    (tmp_path / "nothing.csv").write_text("path\n")
    (tmp_path / "self.csv").write_text("self.csv\n")
    names = ["wrong", "binary", "nothing", "self"]
    expected = [Code.UNREADABLE, Code.UNREADABLE, Code.EMPTY, Code.UNREADABLE]
    assert codes(scan([tmp_path / f"{name}.csv" for name in names])) == [
        (f"{name}.csv", code) for name, code in zip(names, expected, strict=True)
    ]


def test_a_csv_of_ours_is_read_back_though_its_formulas_are_neutralised(tmp_path):
    paths = [write_slice(tmp_path / name) for name in ("-a.dcm", "=b.dcm", "c.dcm")]
    cells = [csv_cell(path.name) for path in paths]
    assert cells == ["'-a.dcm", "'=b.dcm", "c.dcm"]
    (tmp_path / "rejected.csv").write_text("\n".join(["path", *cells]))
    found = list(scan([tmp_path / "rejected.csv"]))
    assert codes(found) == []
    assert places(found) == list(map(str, paths))


def test_a_dicomdir_and_what_it_lacks(tmp_path):
    disc = FileSet()
    for path in write_head(tmp_path / "files", 4, PatientID="x", PatientName="x", StudyID="1", StudyDate="20200101",
                           StudyTime="1200", SeriesNumber=1, InstanceNumber=1):  # fmt: skip
        disc.add(path)
    disc.write(tmp_path / "disc")
    index = tmp_path / "disc" / "DICOMDIR"
    images = sorted(path for path in (tmp_path / "disc").rglob("*") if path.is_file() and path != index)
    assert sorted(places(scan([index]))) == list(map(str, images))
    images[0].unlink()
    for given in (index, tmp_path / "disc"):
        found = list(scan([given]))
        assert codes(found) == [(images[0].name, Code.UNREADABLE)]
        assert sorted(places(found)) == list(map(str, images[1:]))
    index.write_bytes(b"damaged")
    assert codes(scan([index])) == [("DICOMDIR", Code.UNREADABLE)]


def test_a_damaged_dicomdir_in_a_folder_is_told_of_once(tmp_path):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "DICOMDIR").write_bytes(b"")
    found = list(scan([tmp_path / "disc"]))
    assert [type(one) for one in found] == [Rejection]


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_a_dicomdir_does_not_lead_out_of_its_folder(tmp_path):
    write_slice(tmp_path / "secret.dcm")
    (tmp_path / "disc").mkdir()
    record = pydicom.Dataset()
    record.ReferencedFileID = ["..", "secret.dcm"]
    dataset = pydicom.Dataset()
    dataset.DirectoryRecordSequence = [record]
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = uid_of("dir")
    dataset.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
    assert [code for _, code in codes(scan([tmp_path / "disc" / "DICOMDIR"]))] == [Code.UNREADABLE]


def test_enhanced_multi_frame(tmp_path):
    heights = [5.0 * i for i in (3, 1, 2, 0, *range(4, 20))]
    path = write_enhanced(tmp_path / "x.dcm", heights)
    headers = list(scan([path]))
    assert [header.position[2] for header in headers] == heights
    assert headers[2].source == ImageSource(str(path), "", 2)
    assert headers[0].image_type == ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
    (series,) = group_series(headers)
    assert series.findings == ()
    assert [image.frame for image in series.images] == sorted(range(20), key=heights.__getitem__)
    assert find_head_ct(path)[0][0]["image"] == list(series.images)


def test_frames_that_are_not_described(tmp_path):
    path = write_enhanced(tmp_path / "x.dcm", [0.0, 5.0])
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 3
    dataset.save_as(path)
    assert codes(scan([path])) == [("x.dcm", Code.UNREADABLE)]


@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "AIL"])
def test_volume_headers_in_any_orientation(tmp_path, suffix, axes):
    path = tmp_path / f"v{suffix}"
    shape = {"R": 60, "L": 60, "A": 50, "P": 50, "S": 30, "I": 30}
    size = {"R": 2.0, "L": 2.0, "A": 3.0, "P": 3.0, "S": 5.0, "I": 5.0}
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for index, axis in enumerate(axes):
        affine["LRPAIS".index(axis) // 2, index] = size[axis] * (1 if axis in "RAS" else -1)
    affine[:3, 3] = [-7, 8, 9]
    voxels = np.zeros([shape[axis] for axis in axes], np.int16)
    if suffix.startswith(".nii"):
        nib.save(nib.Nifti1Image(voxels, affine), path)
    else:
        image = itk.image_from_array(np.ascontiguousarray(voxels.T))
        lps = np.diag([-1, -1, 1]) @ affine[:3]
        spacing = np.linalg.norm(lps[:, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection(itk.matrix_from_array(lps[:, :3] / spacing))
        image.SetOrigin(lps[:, 3].tolist())
        itk.imwrite(image, str(path))
    (header,) = (one for one in scan([path]))
    assert (header.kind, header.study) == (Kind.VOLUME, str(path))
    assert (header.rows, header.columns, header.slices) == (50, 60, 30)
    assert header.spacing == pytest.approx((3, 2))
    assert np.linalg.norm(header.slice_step) == pytest.approx(5)
    assert np.abs(header.orientation) == pytest.approx([1, 0, 0, 0, 1, 0])
    assert header.position == pytest.approx((7, -8, 9))
    (series,) = group_series([header])
    assert (series.findings, series.images) == ((), (ImageSource(str(path)),))


def test_damaged_volumes_and_pictures(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), tmp_path / "whole.nii")
    content = (tmp_path / "whole.nii").read_bytes()
    nan = bytearray(content)
    struct.pack_into("<f", nan, 280, np.nan)
    files = {
        "a.nii": b"",
        "b.nii": content[:100],
        "c.nii": bytes(nan),
        "d.nii.gz": content,
        "e.nrrd": b"NRRD0004\ndimension: x\n\n",
        "f.mha": b"NDims = 3\nDimSize = 0 4 4\nElementDataFile = LOCAL\n",
        "g.mhd": b"NDims = 3\nDimSize = 4 4 4\nElementDataFile = /etc/passwd\n",
        "h.png": b"text",
        "i.mha": b"NDims = 4\nDimSize = 4 4 4 3\nElementDataFile = LOCAL\n",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = dict(codes(scan([tmp_path])))
    assert found == {name: Code.BAD_GEOMETRY if name == "c.nii" else Code.UNREADABLE for name in files}


def test_a_picture_bomb_is_too_large(tmp_path, monkeypatch):
    Image.new("1", (3000, 3000)).save(tmp_path / "x.png")
    (header,) = scan([tmp_path / "x.png"])
    assert [finding.code for finding in group_series([header])[0].findings] == [Code.TOO_LARGE]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert codes(scan([tmp_path / "x.png"])) == [("x.png", Code.TOO_LARGE)]


def test_processes_find_the_same(tmp_path, monkeypatch):
    module = importlib.import_module("ichmonai.io.discovery.scan")  # whose name in the package is the function's
    monkeypatch.setattr(module, "INLINE", 5)
    monkeypatch.setattr(module, "CHUNK", 4)
    write_head(tmp_path / "in" / "a")
    write_head(tmp_path / "in" / "b", SeriesInstanceUID=uid_of("b"))
    shutil.make_archive(str(tmp_path / "in" / "c"), "zip", tmp_path / "in" / "a")
    (tmp_path / "in" / "d").mkdir()
    (tmp_path / "in" / "d" / "x.dcm").write_bytes(b"damaged")
    inputs = [tmp_path / "in", tmp_path / "absent"]
    alone = stateless(scan(inputs, workers=1))
    assert len(alone) == 62
    assert stateless(scan(inputs, workers=2)) == alone
    started = scan(inputs, workers=2)
    assert stateless(next(started) for _ in range(10)) == alone[:10]
    started.close()  # ends the processes


def test_without_the_processes_it_goes_on(tmp_path, monkeypatch):
    module = importlib.import_module("ichmonai.io.discovery.scan")
    monkeypatch.setattr(module, "INLINE", 2)
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(module, "_quiet", os.abort)  # what each process does first
    write_head(tmp_path)
    assert list(scan([tmp_path], workers=2)) == list(scan([tmp_path], workers=1))


def test_the_processes_end_when_the_run_is_killed(tmp_path):
    write_head(tmp_path)
    program = (
        "import importlib, sys, time\n"
        "module = importlib.import_module('ichmonai.io.discovery.scan')\n"
        "module.INLINE, module.CHUNK = 1, 1\n"
        "found = module.scan([sys.argv[1]], workers=2)\n"
        "print([next(found) for _ in range(5)][-1].source, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as run:
        assert run.stdout.readline()
        children = psutil.Process(run.pid).children(recursive=True)
        run.kill()
    assert children
    assert not psutil.wait_procs(children, timeout=60)[1]


def test_names_that_are_no_text_are_read_and_shown_escaped(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((6, 5, 4), np.int16), np.diag([2.0, 2.0, 5.0, 1.0])), tmp_path / "v.nii")
    (tmp_path / "v.nii").rename(tmp_path / os.fsdecode(b"\xff\n.nii"))
    (tmp_path / os.fsdecode(b"\xfe.png")).write_bytes(b"damaged")
    header, rejection = sorted(scan([tmp_path]), key=lambda one: isinstance(one, Rejection))
    assert header.source.path == f"{tmp_path}/\udcff\n.nii"
    assert header.study == header.series == rf"{tmp_path}/\udcff\n.nii"
    assert rejection.path == rejection.study == rf"{tmp_path}/\udcfe.png"
    assert rejection.finding.sentence.isprintable()


def test_dimensions_beyond_reason_are_refused_before_anything_is_made_of_them(tmp_path):
    (tmp_path / "v.mha").write_text("NDims = 999999999\nDimSize = 6 5 4\nElementDataFile = LOCAL\n")
    (found,) = scan([tmp_path])
    assert "NDims is 999999999" in found.finding.sentence
