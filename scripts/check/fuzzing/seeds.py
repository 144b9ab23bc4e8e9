"""Valid inputs to begin with: small phantoms in every format; no patient's data."""

import functools
import gzip
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ichmonai.datasets.phantom.dicom import slice_dataset
from ichmonai.datasets.phantom.study import PhantomStudy, make_study

SIZE = 64
SPACING = 3.0
"""Of a slice, in pixels and mm: as small as a phantom can be drawn."""
MIDDLE = 14


@functools.cache
def phantom() -> PhantomStudy:
    return make_study(8, kind="deep", size=SIZE, tilt=0)


def voxels(slices: int = 12) -> NDArray[np.int16]:
    """HU (x, y, z): the lowest slices, which cover a head's height at 10 mm."""
    return np.ascontiguousarray(phantom().hu[..., MIDDLE - slices // 2 : MIDDLE + slices // 2].transpose(1, 0, 2))


def dicom_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom_slice(index: int = MIDDLE, syntax: str | None = None) -> Dataset:
    """A slice, in a compressed transfer syntax if one is asked for."""
    one = slice_dataset(phantom(), index)
    one["PixelData"].VR = "OW"
    one.PixelSpacing = [SPACING, SPACING]
    if syntax == JPEGBaseline8Bit:
        pixels = np.clip(phantom().hu[..., index] + 1024, 0, 2040) // 8
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG")
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.RescaleSlope, one.RescaleIntercept = "8", "-1024"
        one.PixelData = encapsulate([buffer.getvalue()])
        one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB", True
        one.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    elif syntax in _WITH_GDCM:
        one = pydicom.dcmread(io.BytesIO(_with_gdcm(dicom_bytes(one), _WITH_GDCM[syntax])))
    elif syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        one.file_meta.TransferSyntaxUID = syntax
    elif syntax:
        one.compress(syntax, generate_instance_uid=False)
    return one


_WITH_GDCM = {
    JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    JPEGLSLossless: "JPEGLSLossless",
    JPEG2000Lossless: "JPEG2000Lossless",
}


def _with_gdcm(content: bytes, syntax: str) -> bytes:
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "raw.dcm"), Path(folder, "jpeg.dcm")
        source.write_bytes(content)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(source))
        reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        change.Change()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.Write()
        return target.read_bytes()


COMPRESSED = {
    "rle": RLELossless,
    "jpeg": JPEGBaseline8Bit,
    "jpeg_lossless": JPEGLosslessSV1,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_2000": JPEG2000Lossless,
}
"""Transfer syntaxes by what they are called here."""


@functools.cache
def dicom() -> dict[str, bytes]:
    """One slice in each transfer syntax, and an enhanced image of several frames."""
    plain = {"explicit": None, "implicit": ImplicitVRLittleEndian, "deflated": DeflatedExplicitVRLittleEndian}
    files = {name: dicom_bytes(dicom_slice(syntax=syntax)) for name, syntax in (plain | COMPRESSED).items()}
    return files | {"enhanced": dicom_bytes(_enhanced(10))}


def _enhanced(frames: int) -> Dataset:
    one = dicom_slice()
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    one.NumberOfFrames, one.PixelData = frames, one.PixelData * frames
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = one.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = one.PixelSpacing, 5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = [shared], []
    for index in range(frames):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [-100, -100, 10 * index]
        frame.PlanePositionSequence = [position]
        one.PerFrameFunctionalGroupsSequence.append(frame)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(one, name)
    return one


def dicom_series(indices: Iterable[int] = range(MIDDLE - 5, MIDDLE + 5), syntax: str | None = None) -> dict[str, bytes]:
    """Some slices, a file each."""
    return {f"series/{index:02d}.dcm": dicom_bytes(dicom_slice(index, syntax)) for index in indices}


def nifti() -> dict[str, bytes]:
    affine = np.diag([-SPACING, -SPACING, 10.0, 1.0])
    hu = voxels()
    scaled = nib.Nifti1Image(hu.astype(np.float32), affine)
    scaled.header.set_slope_inter(1.0, 0.0)
    return {
        "first": nib.Nifti1Image(hu, affine).to_bytes(),
        "float": scaled.to_bytes(),
        "second": nib.Nifti2Image(hu, affine).to_bytes(),
        "big_endian": nib.Nifti1Image(hu, affine, nib.Nifti1Header(endianness=">")).to_bytes(),
    }


def nifti_gz() -> dict[str, bytes]:
    return {name: gzip.compress(content, 1, mtime=0) for name, content in nifti().items()}


def nrrd() -> dict[str, bytes]:
    hu = voxels()
    raw = hu.tobytes(order="F")
    files = {}
    for encoding, content in (("raw", raw), ("gzip", gzip.compress(raw, 1, mtime=0))):
        header = (
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
            f"sizes: {hu.shape[0]} {hu.shape[1]} {hu.shape[2]}\n"
            f"space directions: ({SPACING},0,0) (0,{SPACING},0) (0,0,10)\nkinds: domain domain domain\nendian: little\n"
            f"encoding: {encoding}\nspace origin: (0,0,0)\n\n"
        )
        files[encoding] = header.encode() + content
    return files


def metaimage() -> dict[str, bytes]:
    hu = voxels()
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nCenterOfRotation = 0 0 0\n"
        f"ElementSpacing = {SPACING} {SPACING} 10\n"
        f"DimSize = {hu.shape[0]} {hu.shape[1]} {hu.shape[2]}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    return {"raw": header.encode() + hu.tobytes(order="F")}


@functools.cache
def pictures() -> dict[str, bytes]:
    grey = np.clip(phantom().hu[..., MIDDLE] / 80 * 255, 0, 255).astype(np.uint8)
    files = {}
    for name, kind in (("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP")):
        for mode in ("L", "RGB"):
            buffer = io.BytesIO()
            Image.fromarray(grey).convert(mode).save(buffer, kind)
            files[f"{mode}.{name}"] = buffer.getvalue()
    return files


def dicomdir() -> dict[str, bytes]:
    """A medium of a few slices with its DICOMDIR."""
    with tempfile.TemporaryDirectory() as folder:
        medium = FileSet()
        for index in (13, 14):
            medium.add(dicom_slice(index))
        medium.write(folder)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }
