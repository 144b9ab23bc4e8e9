"""What a file system and lists of files have in store."""

import os
import socket
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from tests.torture.cases import OTHER, PREDICTED, SLICE, VOLUME, Inputs
from tests.torture.dicom_files import encoded, file_of, uid_of
from tests.torture.volume_cases import nifti

DEPTH = 300
"""Folders in folders; pytest cannot remove many more."""


def write_file_cases(inputs: Inputs) -> None:
    """All of them."""
    _names(inputs)
    _links(inputs)
    _kinds(inputs)
    _lists(inputs)
    _directories(inputs)


def _names(inputs: Inputs) -> None:
    volume = nifti()
    names = ("脑 ünïcödé 🧠", "new\nline", "tab\tand\rreturn", 'quotes "and", commas', "-o --out", "%s {0} $HOME")
    for number, name in enumerate((*names, "x" * 240)):
        inputs.file("names", f"{name}.dcm", file_of(f"name {number}"), PREDICTED, shows=SLICE)
        inputs.file("names", f"{name}.nii", volume, PREDICTED, shows=VOLUME)
        inputs.file("names", f"{name}.png", b"damaged", "unreadable")
    for name, content, expected in (
        (b"bytes \xff\xfe.dcm", file_of("name in bytes"), PREDICTED),
        (b"bytes \xff\xfe.nii", volume, PREDICTED),
        (b"bytes \xff\xfe.png", b"damaged", "unreadable"),
    ):
        inputs.file("names", os.fsdecode(name), content, expected)
    named = inputs.folder("named one by one", named=False)
    for name in ("脑.nii", "new\nline.nii", "-o", os.fsdecode(b"\xff.nii")):
        path = named / name
        path.write_bytes(volume)
        inputs.expect(path, "unreadable" if name == "-o" else PREDICTED, given=True)
    deep = inputs.folder("deep")
    for _ in range(DEPTH):
        deep /= "d"
        deep.mkdir()
    (deep / "slice.dcm").write_bytes(file_of("deep down"))
    inputs.expect(deep / "slice.dcm", PREDICTED)


def _links(inputs: Inputs) -> None:
    links = inputs.folder("links")
    (links / "real.dcm").write_bytes(file_of("linked"))
    inputs.expect(links / "real.dcm", PREDICTED)
    (links / "again.dcm").symlink_to("real.dcm")
    (links / "loop").symlink_to(links)
    (links / "self.dcm").symlink_to("self.dcm")
    (links / "nowhere.dcm").symlink_to("absent.dcm")
    inputs.expect(links / "self.dcm", "unreadable")
    inputs.expect(links / "nowhere.dcm", "unreadable")
    for name in ("one", "two"):
        (links / name).mkdir()
    (links / "one" / "to two").symlink_to(links / "two")
    (links / "two" / "to one").symlink_to(links / "one")
    (links / "zero.dcm").symlink_to("/dev/zero")
    inputs.expect(links / "zero.dcm", "unreadable")
    os.link(links / "real.dcm", links / "twin.dcm")


def _kinds(inputs: Inputs) -> None:
    kinds = inputs.folder("kinds")
    os.mkfifo(kinds / "pipe.dcm")
    inputs.expect(kinds / "pipe.dcm", "unreadable")
    alone = inputs.folder("alone", named=False)
    os.mkfifo(alone / "pipe.dcm")
    inputs.expect(alone / "pipe.dcm", "unreadable", given=True)
    here = Path.cwd()
    os.chdir(kinds)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.dcm")
    os.chdir(here)
    inputs.expect(kinds / "socket.dcm", "unreadable")
    for name in ("folder.dcm", "folder.nii.gz", "folder.zip", "folder.csv", "DICOMDIR"):
        (kinds / name).mkdir()
        (kinds / name / "slice.dcm").write_bytes(file_of(f"in {name}"))
        inputs.expect(kinds / name / "slice.dcm", PREDICTED)
    for suffix in ("dcm", "nii", "nii.gz", "png", "jpg", "mha", "nrrd", "zip"):
        inputs.file("kinds", f"nothing.{suffix}", b"", "unreadable")
    inputs.file("kinds", "nothing", b"", "unreadable")
    for name in ("nothing.txt", ".DS_Store", "notes.xml", "table.csv", "Thumbs.db", "._real.dcm"):
        inputs.file("kinds", name, b"" if "nothing" in name else b"content", OTHER)
    inputs.expect("/dev/zero", "unreadable", given=True)
    (alone / "document.pdf").write_bytes(b"%PDF-1.4")
    inputs.expect(alone / "document.pdf", "unreadable", given=True)
    for name in ("empty", "empty/in/empty"):
        (alone / name).mkdir(parents=True)
    inputs.expect(alone / "empty", "empty", given=True)
    (alone / "text").mkdir()
    (alone / "text" / "readme.txt").write_text("text")
    inputs.expect(alone / "text", "empty", given=True)
    inputs.expect(alone / "text" / "readme.txt", OTHER)


def _lists(inputs: Inputs) -> None:
    lists = inputs.folder("lists", named=False)
    (lists / "listed.dcm").write_bytes(file_of("listed"))
    inputs.expect(lists / "listed.dcm", PREDICTED)
    for name, content, expected in (
        ("good.csv", "path,other\nlisted.dcm,1\nabsent.dcm,2\n../../../../absent/passwd,3\n", None),
        ("nothing.csv", "", {"empty"}),
        ("head.csv", "path\n", {"empty"}),
        ("columns.csv", "a,b\nc,d\n", {"unreadable"}),
        ("binary.csv", "\0\1\2\udcff\udcfe" * 50, {"unreadable"}),
        ("quote.csv", 'path\n"never closed\n' + "x" * 200_000, {"unreadable"}),
        ("itself.csv", "path\nitself.csv\n", None),
        ("device.csv", "path\n/dev/zero\n", None),
        ("long.csv", "path\n" + "y" * 5000 + "\n", None),
    ):
        (lists / name).write_bytes(content.encode("utf-8", "surrogateescape"))
        if expected is None:
            inputs.given.append(str(lists / name))
        else:
            inputs.expect(lists / name, expected, given=True)
    for name in ("absent.dcm", "../../../../absent/passwd", "itself.csv", "y" * 5000):
        inputs.expect(lists / name, "unreadable")


def _directories(inputs: Inputs) -> None:
    for name, ids in {
        "good": (["IMAGES", "IM1"], ["IMAGES", "ABSENT"]),
        "outside": (["..", "..", "ESCAPED"], ["/etc", "passwd"]),
        "itself": (["DICOMDIR"],),
        "none": (),
    }.items():
        folder = inputs.folder(f"disc {name}", named=False)
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
        one.file_meta.MediaStorageSOPInstanceUID = uid_of(name)
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.DirectoryRecordSequence = [Dataset() for _ in ids]
        for record, identifier in zip(one.DirectoryRecordSequence, ids, strict=True):
            with pydicom.config.disable_value_validation():
                record.ReferencedFileID = identifier
        (folder / "DICOMDIR").write_bytes(encoded(one))
        if name == "good":
            (folder / "IMAGES").mkdir()
            (folder / "IMAGES" / "IM1").write_bytes(file_of("disc good"))
        inputs.given.append(str(folder / "DICOMDIR"))
        ends = {"good": {PREDICTED, "unreadable"}, "none": {"empty"}}
        inputs.expect(folder, ends.get(name, {"unreadable"}))
    damaged = inputs.folder("disc damaged", named=False) / "DICOMDIR"
    damaged.write_bytes(inputs.random.bytes(3000))
    inputs.expect(damaged, "unreadable", given=True)
