"""Headers of what nibabel reads: NIfTI in one file or two, Analyze, and FreeSurfer's MGH."""

import gzip
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.pairs import voxels_of
from ichmonai.io.series import ImageSource
from ichmonai.io.suffixes import MGH_SUFFIXES, PAIR_SUFFIXES

_BLOCK = 540
"""Bytes of a NIfTI-2 header, the longest."""
_MAX_OFFSET = 2**26
"""Bytes of a NIfTI header with its extensions, which are read as a whole."""
_PACKED = (".gz", ".mgz")


def unpacked(file: Any, name: str) -> Any:
    """The stream of a file by its name, inflated where that says that it is compressed."""
    return gzip.GzipFile(fileobj=file) if is_packed(name) else file


def is_packed(name: str) -> bool:
    """Whether a name says that a file is compressed."""
    return name.lower().endswith(_PACKED)


def image_class(start: bytes, name: str) -> Any:
    """Class of nibabel that reads a file.

    Args:
        start: of its header, `_BLOCK` bytes.
        name: in lower case.

    Raises:
        ValueError: where it is no header of such a file.
    """
    if name.endswith(MGH_SUFFIXES):
        return nib.MGHImage
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    if 540 in sizes:
        return nib.Nifti2Pair if name.endswith(PAIR_SUFFIXES) else nib.Nifti2Image
    if 348 not in sizes:
        raise ValueError("it is not NIfTI" if not name.endswith(PAIR_SUFFIXES) else "it is neither Analyze nor NIfTI")
    if not name.endswith(PAIR_SUFFIXES):
        return nib.Nifti1Image
    if start[344:347] == b"n+1":
        raise ValueError("it is a NIfTI volume in one file; name it .nii")
    return nib.Nifti1Pair if start[344:347] == b"ni1" else nib.AnalyzeImage


def read_nibabel(file: BinaryIO, source: ImageSource, name: str) -> tuple[list[int], np.ndarray]:
    """Read a header.

    Args:
        file: at its beginning.
        source: where it is.
        name: in lower case.

    Returns:
        Shape, and 4x4 affine from index to RAS+ millimetres.

    Raises:
        ValueError: where it is none.
        HeadCTReadError: of half a pair, and of Analyze voxels with a scale.
    """
    block = unpacked(file, name).read(_BLOCK)
    kind = image_class(block, name)
    if name.endswith(PAIR_SUFFIXES):
        _check_pair(source)
    if kind is nib.MGHImage:
        header = kind.header_class(block[:90], check=False)
        if header["version"] != 1:
            raise ValueError("it is not MGH")
        return list(header.get_data_shape()), header.get_affine()
    header = kind.header_class(block[: kind.header_class.template_dtype.itemsize], check=False)
    if not 0 <= float(header["vox_offset"]) <= _MAX_OFFSET:
        raise ValueError("its voxels are said to be far behind its header")
    if kind is nib.AnalyzeImage and float(header["funused1"]) not in (0.0, 1.0):
        raise HeadCTReadError(
            f"{source} has a scale factor in its Analyze header, which programs read differently; convert it to one "
            ".nii file.",
            Code.NOT_HU,
        )
    return list(header.get_data_shape()), header.get_best_affine()


def _check_pair(source: ImageSource) -> None:
    if source.member:
        raise HeadCTReadError(
            f"{source} is half of a pair of files in an archive; unpack it, or convert the pair to one .nii file."
        )
    if voxels_of(Path(source.path)) is None:
        raise HeadCTReadError(
            f"{source} is half of a pair of files, and no .img is beside it; copy both, or convert the pair to one "
            ".nii file."
        )
