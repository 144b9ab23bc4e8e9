"""DICOM files of one slice: cut, with bits turned over, and with headers that are wrong in one place each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.torture.cases import ANYTHING, DAMAGED, OTHER, PREDICTED, SLICE, Inputs
from tests.torture.dicom_files import compressed, dataset, encoded, file_of, put, syntaxes

PIXELS = b"\xe0\x7f\x10\x00"
BAD_GEOMETRY, UNDECODABLE = frozenset({"bad_geometry"}), frozenset({"undecodable"})
HARMLESS = frozenset({PREDICTED})
NEEDED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **dict.fromkeys(("SeriesInstanceUID", "SOPInstanceUID"), (frozenset({"unreadable"}), DAMAGED | HARMLESS)),
    **dict.fromkeys(("Rows", "Columns"), (frozenset({"unreadable"}),) * 2),
    **dict.fromkeys(("PixelData", "BitsAllocated", "BitsStored", "PixelRepresentation"), (UNDECODABLE,) * 2),
    **dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"), (BAD_GEOMETRY,) * 2),
    **dict.fromkeys(("SOPClassUID", "StudyInstanceUID", "HighBit", "GantryDetectorTilt"), (HARMLESS,) * 2),
    "ImageType": (HARMLESS, HARMLESS),
    "SliceThickness": (HARMLESS, HARMLESS | {"unreadable", "bad_geometry"}),
    "Modality": (HARMLESS, HARMLESS | {"wrong_modality", "unreadable"}),  # the SOP class says CT
    "SamplesPerPixel": (UNDECODABLE, DAMAGED),
    "PhotometricInterpretation": (UNDECODABLE, DAMAGED | {"burned_in"}),
    "RescaleSlope": (HARMLESS, frozenset({"not_hu", "unreadable"})),  # 1 in the phantom
    "RescaleIntercept": (frozenset({"not_hu"}), frozenset({"not_hu", "unreadable"})),
}
"""Attributes that are taken away, emptied and filled with rubbish in turn: what may come of absence, and of rubbish."""

NUMBERS: dict[str, tuple[frozenset[str], list[bytes]]] = {
    "Rows": (DAMAGED | BAD_GEOMETRY, [b"\0\0", b"\1\0", b"\xff\xff", b"\x61\0", b"\x5f\0"]),
    "Columns": (DAMAGED | BAD_GEOMETRY, [b"\0\0", b"\1\0", b"\xff\xff", b"\x61\0", b"\x5f\0"]),
    "BitsAllocated": (UNDECODABLE, [b"\0\0", b"\1\0", b"\x08\0", b"\x0c\0", b"\x20\0", b"\x40\0", b"\xff\xff"]),
    "BitsStored": (UNDECODABLE | {"not_head", "not_hu"}, [b"\0\0", b"\1\0", b"\x63\0"]),
    "HighBit": (HARMLESS, [b"\0\0", b"\x63\0"]),
    "SamplesPerPixel": (UNDECODABLE | {"burned_in"}, [b"\0\0", b"\3\0", b"\xff\xff"]),
    "PixelRepresentation": (UNDECODABLE, [b"\7\0", b"\1\0\1\0"]),
    "NumberOfFrames": (
        DAMAGED | BAD_GEOMETRY | {"too_large"}, [b"-1", b"2", b"1000000", b"9" * 12, b"1e300", b"abc"],
    ),
    "RescaleSlope": (
        frozenset({"not_hu", "not_head", "unreadable"}),
        [b"abc", b"nan", b"inf", b"0", b"-1", b"1e308", b"1e-308", b"1\\2"],
    ),
    "RescaleIntercept": (frozenset({"not_hu"}), [b"abc", b"nan", b"-inf", b"1e308"]),
    "ImagePositionPatient": (
        BAD_GEOMETRY, [b"a\\b\\c", b"nan\\0\\0", b"inf\\0\\0", b"0\\0", b"1e30\\0\\0", b"0\\0\\1e9"],
    ),
    "ImageOrientationPatient": (
        BAD_GEOMETRY,
        [b"0\\0\\0\\0\\0\\0", b"1\\0\\0\\1\\0\\0", b"1\\0\\0", b"nan\\0\\0\\0\\1\\0", b"9" * 999],
    ),
    "PixelSpacing": (
        BAD_GEOMETRY,
        [b"0\\0", b"-2\\-2", b"nan\\nan", b"inf\\1", b"1e-9\\1e-9", b"1e9\\1e9", b"2", b"2\\2\\2"],
    ),
    "SliceThickness": (HARMLESS, [b"0", b"-5", b"nan", b"abc", b"1e300"]),
    "GantryDetectorTilt": (HARMLESS, [b"nan", b"400", b"abc"]),
    "PixelPaddingValue": (HARMLESS | {"unreadable"}, [b"\xff\xff", b"\x20\4", b"\0\0\1\0"]),
    "AcquisitionNumber": (HARMLESS, [b"-1", b"99999999999", b"abc"]),
    "WindowWidth": (HARMLESS, [b"0\\nan\\abc", b"\\" * 2000]),
}  # fmt: skip


def write_dicom_cases(inputs: Inputs) -> None:
    """All of them."""
    inputs.file("dicom", "whole.dcm", file_of("whole"), PREDICTED)
    _damaged(inputs)
    _attributes(inputs)
    _structures(inputs)
    _syntaxes(inputs)
    _encodings(inputs)


def _damaged(inputs: Inputs) -> None:
    pixels = file_of("cut 0").index(PIXELS)
    lengths = [0, 1, 127, 128, 131, 132, 140, *inputs.lengths(bytes(pixels), 20, 150), pixels + 4, pixels + 8]
    for length in (*lengths, *inputs.lengths(file_of("cut 0"), 8, pixels + 12)):
        inputs.file("dicom", f"cut_{length}.dcm", file_of(f"cut {length}")[:length], DAMAGED)
    for number in range(60):
        content = file_of(f"header {number}")
        damaged = inputs.flipped(content, 1 + number % 3, 128, content.index(PIXELS) + 12)
        inputs.file("dicom", f"header_bits_{number}.dcm", damaged, ANYTHING)
    for number in range(8):
        content = file_of(f"pixels {number}")
        damaged = inputs.flipped(content, 10**number % 997, content.index(PIXELS) + 12)
        inputs.file("dicom", f"pixel_bits_{number}.dcm", damaged, PREDICTED, "not_hu", "not_head", "no_brain")


def _attributes(inputs: Inputs) -> None:
    def add(name: str, change: Callable[[Dataset], Any], expected: frozenset[str]) -> None:
        inputs.file("dicom", f"{name}.dcm", file_of(name, change), expected, shows=SLICE)

    rubbish = (("LO", b"rubbish "), ("FD", b"\xff" * 16), ("SQ", b""), ("ZZ", b"\0\1"), ("UN", b"\xfe" * 6))
    for keyword, (absent, wrong) in NEEDED.items():
        add(f"without {keyword}", lambda one, k=keyword: delattr(one, k), absent)
        add(f"empty {keyword}", lambda one, k=keyword: put(one, k, b""), absent)
        for vr, value in rubbish:
            add(f"{vr} {keyword}", lambda one, k=keyword, r=vr, v=value: put(one, k, v, r), wrong)
    for keyword, (expected, values) in NUMBERS.items():
        for number, value in enumerate(values):
            add(f"number {keyword} {number}", lambda one, k=keyword, v=value: put(one, k, v), expected)
    add("no frames", lambda one: put(one, "NumberOfFrames", b"0"), HARMLESS)
    for number, value in enumerate(("ISO_IR 9999", "nonsense", ["", "ISO 2022 IR 87"], "GB18030")):
        name = f"characters {number}"
        add(name, lambda one, v=value: one.update({"SpecificCharacterSet": v}), HARMLESS)
    for value in (b"MR", b"PT", b"SR", b"\xff\xfe", b"CT\\MR"):
        add(f"modality {value!r}", lambda one, v=value: put(one, "Modality", v), frozenset({"wrong_modality"}))
    add("modality in small letters", lambda one: put(one, "Modality", b"ct"), HARMLESS)


def _structures(inputs: Inputs) -> None:
    def private(one: Dataset) -> None:
        for element in range(500):
            one.add_new(Tag(0x0019, 0x1000 + element), "UN", b"\xfe\xff" * 40)

    inputs.file("dicom", "private.dcm", file_of("private", private), PREDICTED, shows=SLICE)
    start = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"  # ReferencedImageSequence, of undefined length
    item = b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    item_end, end = b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
    for name, element, expected in (
        ("many_items", start + (item + item_end) * 5000 + end, {PREDICTED}),
        ("deep_items", (start + item) * 50 + (item_end + end) * 50, {PREDICTED}),
        # Deeper than a reader that calls itself can go, and without end.
        ("deeper_items", (start + item) * 5000 + (item_end + end) * 5000, {PREDICTED, "unreadable"}),
        ("bottomless_items", (start + item) * 50_000, {"unreadable"}),
        ("items_without_end", start + item, {"unreadable"}),
        ("items_out_of_place", item + item_end + end, {PREDICTED, "unreadable"}),
    ):
        content = file_of(name)
        place = content.index(b"\x10\0\x10\0PN")
        inputs.file("dicom", f"{name}.dcm", content[:place] + element + content[place:], expected, shows=SLICE)
    for name, length in (("endless", b"\xff\xff\xff\xff"), ("huge", b"\xfe\xff\xff\x7f")):
        content = file_of(name)
        element = b"\x09\0\x10\0OB\0\0" + length
        place = content.index(b"\x10\0\x10\0")
        inputs.file("dicom", f"{name}_element.dcm", content[:place] + element + content[place:], "unreadable")


def _syntaxes(inputs: Inputs) -> None:
    """What is declared is not what is there."""
    true = dataset("declared").file_meta.TransferSyntaxUID.encode()
    for number, uid in enumerate(
        (
            ImplicitVRLittleEndian,
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
            RLELossless,
            JPEG2000Lossless,
            JPEGLosslessSV1,
            "1.2.840.10008.1.2.4.100",  # MPEG2
            "1.2.840.10008.1.2.4.94",  # JPIP Referenced
            "1.2.3.4.5",
            "not a UID",
            "",
        )
    ):
        content = file_of(f"declared {number}")
        wrong = uid.encode().ljust(len(true), b"\0") if len(uid) <= len(true) else None
        if wrong is None:
            one = dataset(f"declared {number}")
            one.file_meta.TransferSyntaxUID = uid
            content = encoded(one)
        else:
            content = content.replace(true, wrong, 1)
        # Whether VRs are written is seen by looking, and so is all where nothing is declared.
        expected = DAMAGED if number and uid else HARMLESS
        inputs.file("dicom", f"declared_{number}.dcm", content, expected, shows=SLICE)
    big = dataset("big endian")
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    big.PixelData = np.frombuffer(big.PixelData, "<u2").byteswap().tobytes()
    inputs.file("dicom", "big_endian.dcm", encoded(big, big=True), PREDICTED, shows=SLICE)
    implicit = dataset("implicit")
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    inputs.file("dicom", "implicit.dcm", encoded(implicit, implicit=True), PREDICTED, shows=SLICE)
    for keyword in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        one = dataset(f"meta {keyword}")
        delattr(one.file_meta, keyword)
        inputs.file("dicom", f"meta_without_{keyword}.dcm", encoded(one), PREDICTED, shows=SLICE)
    one = dataset("no meta")
    del one.file_meta
    inputs.file("dicom", "no_meta.dcm", encoded(one), PREDICTED, shows=SLICE)
    whole = file_of("no preamble")
    inputs.file("dicom", "no_preamble.dcm", whole[132:], PREDICTED, shows=SLICE)
    inputs.file("dicom", "no_preamble_no_suffix", file_of("no preamble no suffix")[132:], PREDICTED, shows=SLICE)
    inputs.file("dicom", "IM0001", file_of("no suffix"), PREDICTED, shows=SLICE)
    inputs.file("dicom", "text.dcm", b"this is text", "unreadable")
    inputs.file("dicom", "text", b"this is text", OTHER)
    inputs.file("dicom", "dicm_only", b"\0" * 128 + b"DICM", "unreadable")
    inputs.file("dicom", "after_preamble", b"\0" * 128 + b"DICM" + inputs.random.bytes(5000), "unreadable")


def _encodings(inputs: Inputs) -> None:
    """Compressed pixels, cut and with bits turned over."""
    folder: Path = inputs.root
    for kind, syntax in syntaxes().items():
        same = "" if kind == "jpeg" else SLICE  # which loses some
        inputs.file("compressed", f"{kind}.dcm", encoded(compressed(kind, syntax, folder)), PREDICTED, shows=same)
        for number in range(16):
            name = f"{kind} bits {number}"
            content = encoded(compressed(name, syntax, folder))
            start = content.index(b"\xe0\x7f\x10\x00O") + 12
            end = start + 60 if number % 2 else None  # headers of frames and tables stand in front
            inputs.file("compressed", f"{name}.dcm", inputs.flipped(content, 1 + number, start, end), ANYTHING)
        for number in range(6):
            name = f"{kind} cut {number}"
            content = encoded(compressed(name, syntax, folder))
            start = content.index(b"\xe0\x7f\x10\x00O") + 12
            length = start + (len(content) - start) * number // 6
            inputs.file("compressed", f"{name}.dcm", content[:length], DAMAGED)
        for other in set(syntaxes().values()) - {syntax}:
            name = f"{kind} as {other}"
            one = compressed(name, syntax, folder)
            one.file_meta.TransferSyntaxUID = other
            inputs.file("compressed", f"{name}.dcm", encoded(one), PREDICTED, DAMAGED, shows=same)
        for keyword, value in {"Rows": 95, "Columns": 95, "NumberOfFrames": 3}.items():
            one = compressed(f"{kind} {keyword}", syntax, folder)
            one.update({keyword: value})
            inputs.file("compressed", f"{kind} {keyword}.dcm", encoded(one), DAMAGED, "bad_geometry")
        name = f"{kind} zeros"
        one = compressed(name, syntax, folder)
        one.PixelData = one.PixelData[:8] + b"\0" * (len(one.PixelData) - 8)
        inputs.file("compressed", f"{name}.dcm", encoded(one), "undecodable")
    for leftover in ("raw.dcm", "jpeg.dcm"):
        (folder / leftover).unlink(missing_ok=True)
