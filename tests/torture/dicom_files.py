"""Slices of a phantom as DICOM files, whole or with the fault that is asked for."""

import copy
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.pixels import get_encoder
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.datasets.phantom.study import PhantomStudy, make_study

SIZE = 96
MIDDLE = 14
"""Index of a slice that shows brain."""

Change = Callable[[Dataset], Any]


def uid_of(name: str) -> str:
    """A UID that is always the same."""
    return generate_uid(entropy_srcs=[name])


@functools.cache
def phantom() -> PhantomStudy:
    """A bleeding deep in the brain, with 12-bit storage."""
    return make_study(8, kind="deep", size=SIZE, tilt=0)


@functools.cache
def _slice(index: int) -> Dataset:
    return slice_dataset(phantom(), index)


def dataset(name: str, index: int = MIDDLE) -> Dataset:
    """A slice of a study of its own."""
    one = copy.deepcopy(_slice(index))
    one.StudyInstanceUID, one.SeriesInstanceUID = uid_of(f"{name} study"), uid_of(f"{name} series")
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = uid_of(f"{name} {index}")
    one["PixelData"].VR = "OW"
    return one


def put(one: Dataset, keyword: str, value: bytes, vr: str | None = None) -> None:
    """Set an attribute to bytes as they are, whatever DICOM says of them."""
    tag = Tag(keyword)
    vr = vr or pydicom.datadict.dictionary_VR(tag).split(" or ")[0]
    one[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    # Or it would be converted before it is written.
    one.set_original_encoding(False, True, one._character_set)


def encoded(one: Dataset, implicit: bool = False, big: bool = False) -> bytes:
    """The bytes of its file; `pydicom.dcmwrite` would mend some faults and refuse others."""
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = implicit, not big
    file.write(b"\0" * 128 + b"DICM")
    meta = DicomBytesIO()
    write_file_meta_info(meta, getattr(one, "file_meta", FileMetaDataset()), enforce_standard=False)
    file.write(meta.getvalue())
    write_dataset(file, one)
    return file.getvalue()


def file_of(name: str, change: Change | None = None, index: int = MIDDLE) -> bytes:
    """A file with one slice, changed."""
    one = dataset(name, index)
    if change is not None:
        change(one)
    return encoded(one)


def write_series(folder: Path, name: str, change: Callable[[Dataset, int], Any] | None = None) -> list[Path]:
    """Every slice of the phantom as a file, with a change that knows the number of the slice."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(phantom().hu.shape[-1]):
        one = dataset(name, index)
        if change is not None:
            change(one, index)
        paths.append(folder / f"{name}_{index:02d}.dcm")
        paths[-1].write_bytes(encoded(one))
    return paths


def syntaxes() -> dict[str, UID]:
    """Compressed transfer syntaxes that can be written here, RLE always."""
    wanted = {"rle": RLELossless, "jpeg2000": JPEG2000Lossless, "jpegls": JPEGLSLossless}
    found = {name: uid for name, uid in wanted.items() if get_encoder(uid).is_available}
    try:
        import gdcm  # noqa: F401
    except ImportError:
        return {**found, "jpeg": JPEGBaseline8Bit}
    return {**found, "jpeg": JPEGBaseline8Bit, "jpeg_lossless": JPEGLosslessSV1}


def compressed(name: str, syntax: UID, folder: Path) -> Dataset:
    """A slice in a compressed transfer syntax."""
    one = dataset(name)
    if syntax == JPEGBaseline8Bit:
        pixels = np.clip(phantom().hu[..., MIDDLE] + 1024, 0, 2040) // 8
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG")
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.RescaleSlope, one.RescaleIntercept = "8", "-1024"
        one.PixelData = encapsulate([buffer.getvalue()])
        one["PixelData"].VR = "OB"
        one["PixelData"].is_undefined_length = True
        one.file_meta.TransferSyntaxUID = syntax
    elif syntax == JPEGLosslessSV1:
        one = pydicom.dcmread(io.BytesIO(_with_gdcm(encoded(one), folder)))
    else:
        one.compress(syntax, generate_instance_uid=False)
    return one


def _with_gdcm(content: bytes, folder: Path) -> bytes:
    import gdcm

    source, target = folder / "raw.dcm", folder / "jpeg.dcm"
    source.write_bytes(content)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    change.Change()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()
    return target.read_bytes()
