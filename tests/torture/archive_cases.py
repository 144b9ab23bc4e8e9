"""Zip archives."""

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping

from tests.torture.cases import DAMAGED, OTHER, PREDICTED, SLICE, VOLUME, Inputs
from tests.torture.dicom_files import file_of
from tests.torture.volume_cases import nifti

UNSAFE = "unsafe_archive"


def write_archive_cases(inputs: Inputs) -> None:
    """All of them."""
    _members(inputs)
    _bombs(inputs)
    _damaged(inputs)


def _members(inputs: Inputs) -> None:
    slice_, volume = file_of("in a zip"), nifti()
    whole = _packed({"a/b/slice": slice_, "v.nii": volume, "deep/" * 200 + "readme.txt": b"text"})
    path = inputs.file("archives", "whole.zip", whole, PREDICTED, OTHER)
    inputs.expect(f"{path}/a/b/slice", PREDICTED, shows=(SLICE,))
    inputs.expect(f"{path}/v.nii", PREDICTED, shows=(VOLUME,))
    names = {
        "up": "../../escaped.dcm",
        "middle": "a/../../escaped.dcm",
        "absolute": "/tmp/escaped.dcm",
        "drive": "C:\\escaped.dcm",
        "backslash": "..\\escaped.dcm",
        "nested": "inner.zip",
        "tar": "inner.tar.gz",
    }
    for name, member in names.items():
        content = _packed({member: file_of(f"zip {name}"), "good.dcm": file_of(f"zip good {name}")})
        path = inputs.file("archives", f"{name}.zip", content, PREDICTED, UNSAFE)
        inputs.expect(f"{path}/{member}", UNSAFE)
        inputs.expect(f"{path}/good.dcm", PREDICTED, shows=(SLICE,))
    for number, member in enumerate(("ünïcödé 脑.dcm", "new\nline.dcm", "x" * 240 + ".dcm", ' "quotes", commas.dcm')):
        content = _packed({member: file_of(f"zip name {number}")})
        inputs.file("archives", f"name_{number}.zip", content, PREDICTED, shows=SLICE)
    raw = _packed({"Q" * 8 + ".dcm": file_of("zip bytes")}).replace(b"Q" * 8, b"\xff\xfe\x80\x81\x82\x83\x84\x85")
    inputs.file("archives", "name_bytes.zip", raw, PREDICTED, shows=SLICE)
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    inputs.file("archives", "link.zip", _packed({link: b"/etc/passwd"}), "unreadable")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = io.BytesIO()
        with zipfile.ZipFile(twice, "w") as archive:
            archive.writestr("same.dcm", file_of("zip first"))
            archive.writestr("same.dcm", file_of("zip second"))
    inputs.file("archives", "twice.zip", twice.getvalue(), PREDICTED, UNSAFE)
    inputs.file("archives", "empty.zip", _packed({}), "empty")
    inputs.file("archives", "text_only.zip", _packed({"a.txt": b"text"}), "empty", OTHER)
    inputs.file("archives", "folders_only.zip", _packed({"a/": b"", "a/b/": b""}), "empty")
    program = b"MZ" + bytes(5000)
    inputs.file(
        "archives", "self_extracting.zip", program + _packed({"a.dcm": file_of("zip self")}), PREDICTED, shows=SLICE
    )
    many = {f"{number}.txt": b"" for number in range(2000)}
    inputs.file("archives", "many.zip", _packed({**many, "v.nii": volume}), PREDICTED, OTHER)
    for suffix in ("tar", "tar.gz", "7z", "rar"):
        inputs.file("archives", f"other.{suffix}", b"archive of another kind", "unreadable")


def _bombs(inputs: Inputs) -> None:
    zeros = io.BytesIO()
    archive = zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("zeros.dcm", "w", force_zip64=True) as member:
        for _ in range(256):
            member.write(bytes(2**20))
    inputs.file("bombs", "ratio.zip", zeros.getvalue(), UNSAFE)
    nested = zeros.getvalue()
    for _ in range(5):
        nested = _packed({f"{number}.zip": nested for number in range(3)})
    inputs.file("bombs", "nested.zip", nested, UNSAFE)
    content = _packed({"v.nii": nifti()})
    for name, stored, size in (("lies_small", 0, 100), ("lies_large", 0, 2**31), ("lies_packed", 10, 2**31)):
        place = content.index(b"PK\1\2")
        lying = bytearray(content)
        struct.pack_into("<I", lying, place + 24, size)
        if stored:
            struct.pack_into("<I", lying, place + 20, stored)
        inputs.file("bombs", f"{name}.zip", bytes(lying), DAMAGED, UNSAFE)
    inputs.file(
        "bombs", "overlapping.zip", _overlapping(file_of("zip overlapping"), 500), DAMAGED, PREDICTED, shows=SLICE
    )


def _overlapping(content: bytes, times: int) -> bytes:
    """One stored member, to which the directory refers under many names."""
    whole = _packed({"000.dcm": content})
    start = whole.index(b"PK\1\2")
    entry, end = whole[start : whole.index(b"PK\5\6")], bytearray(whole[whole.index(b"PK\5\6") :])
    entries = b"".join(entry.replace(b"000.dcm", f"{number:03d}.dcm".encode()) for number in range(times))
    struct.pack_into("<HHI", end, 8, times, times, len(entries))
    return whole[:start] + entries + bytes(end)


def _damaged(inputs: Inputs) -> None:
    encrypted = bytearray(_packed({"secret.dcm": file_of("zip secret")}))
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.index(start) + offset] |= 1
    inputs.file("archives", "encrypted.zip", bytes(encrypted), UNSAFE)
    for method in (1, 6, 9, 12, 14, 93, 99):
        unknown = bytearray(_packed({"a.dcm": file_of(f"zip method {method}")}))
        for start, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
            struct.pack_into("<H", unknown, unknown.index(start) + offset, method)
        inputs.file("archives", f"method_{method}.zip", bytes(unknown), DAMAGED)
    for name, value in (("text", b"this is text"), ("nothing", b""), ("end_only", b"PK\5\6" + bytes(18))):
        inputs.file("archives", f"{name}.zip", value, "empty" if name == "end_only" else "unreadable")
    for number in range(20):
        content = _packed({"a.dcm": file_of(f"zip bits {number}"), "v.nii": nifti()})
        middle = content.index(b"PK\1\2")
        where = (0, 60) if number % 3 == 0 else (middle, len(content)) if number % 3 == 1 else (0, len(content))
        path = inputs.folder("archives") / f"bits_{number}.zip"
        path.write_bytes(inputs.flipped(content, 2, *where))
        # A member whose name has changed may be no image by it.
        inputs.expect(path, DAMAGED, PREDICTED, UNSAFE, "empty", OTHER, shows=(SLICE, VOLUME))
    content = _packed({"a.dcm": file_of("zip cut")})
    for length in inputs.lengths(content, 8):
        inputs.file("archives", f"cut_{length}.zip", content[:length], DAMAGED)
    crc = bytearray(_packed({"a.dcm": file_of("zip sum")}))
    crc[crc.index(b"PK\1\2") + 16] ^= 255
    inputs.file("archives", "sum.zip", bytes(crc), DAMAGED)


def _packed(members: Mapping[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
