"""NIfTI, Analyze, MGH, NRRD and MetaImage volumes in HU."""

import logging
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import first_line
from ichmonai.io.discovery.nibabel_headers import image_class, is_packed, unpacked
from ichmonai.io.discovery.volume_headers import read_volume
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.pairs import voxels_of
from ichmonai.io.readers.geometry import empty_volume, to_display_orientation
from ichmonai.io.readers.hounsfield import AIR_HU
from ichmonai.io.readers.sources import image_path, open_image
from ichmonai.io.readers.voxel_block import check_block
from ichmonai.io.series import ImageSource
from ichmonai.io.suffixes import NIBABEL_SUFFIXES, PAIR_SUFFIXES

_SLAB = 2**22
"""Voxels of a NIfTI volume that are read at a time."""
_INFLATES = 1032
"""Bytes that DEFLATE makes of one, at most."""
_ADDRESS = re.compile(r"\(0x[0-9a-f]+\)")

logger = logging.getLogger(__name__)


Volume = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


def load_volume(source: ImageSource) -> Volume:
    """Read a volume in any orientation.

    Args:
        source: a .nii, .nii.gz, .mgz, .nrrd, .mha or .mhd file, or the .hdr of a pair.

    Returns:
        HU float32 (H, W, S), H to posterior, W to the patient's left, S to superior, with scl_slope and scl_inter
        applied; the 4x4 affine from index to RAS+ millimetres; and that of the file, whose axes may run otherwise.

    Raises:
        HeadCTReadError: `UNREADABLE` where the header is damaged or not of one value a voxel in three dimensions,
            `BAD_GEOMETRY`, `TOO_LARGE` (by the header, before anything is allocated), `BURNED_IN` in colour, and
            `UNDECODABLE` where voxels are missing, more than the header says, damaged by the checksum of their
            compression, or no numbers.
    """
    with image_path(source) as path:
        with open_image(ImageSource(str(path))) as file:
            read_volume(file, source, str(source))
        if path.name.lower().endswith(NIBABEL_SUFFIXES):
            return _nibabel(path, source)
        voxels, affine = _itk(path, source)
        _check_numbers(voxels, source)
        volume, display = to_display_orientation(voxels, affine)
        return np.maximum(volume, np.float32(AIR_HU), order="K"), display, affine  # a copy: ITK owns what stands there


def _nibabel(path: Path, source: ImageSource) -> Volume:
    """Read some slices at a time, so that the volume is in memory once."""
    voxels_path = path
    if path.name.lower().endswith(PAIR_SUFFIXES):
        voxels_path = voxels_of(path) or path  # that it is there, the header's reader has seen
    with ExitStack() as stack:
        file = stack.enter_context(open_image(ImageSource(str(voxels_path))))
        stream = unpacked(file, voxels_path.name)
        head = stream if voxels_path == path else unpacked(stack.enter_context(path.open("rb")), path.name)
        image = _image(head, stream, path.name.lower(), source)
        voxels: Any = image.dataobj
        rows, columns, slices = image.shape[:3]
        plane = rows * columns * voxels.dtype.itemsize
        most = voxels_path.stat().st_size * (_INFLATES if is_packed(voxels_path.name) else 1)
        if voxels.offset + slices * plane > most:
            raise _undecodable(source, "it is too short for the voxels of its header")
        affine = np.asarray(image.affine, dtype=np.float64)
        hu, acquired, display = empty_volume((rows, columns, slices), affine)
        step = max(1, _SLAB // (rows * columns))
        for start in range(0, slices, step):
            part = slice(start, start + step)
            try:
                slab = np.asarray(voxels[:, :, part], dtype=np.float32)  # applies scl_slope and scl_inter
            except Exception as error:  # nibabel and gzip raise errors of many kinds on damaged files
                raise _undecodable(source, first_line(error)) from error
            slab = slab.reshape(slab.shape[:3])
            _check_numbers(slab, source)
            np.maximum(slab, np.float32(AIR_HU), out=acquired[:, :, part])
        try:
            behind = len(stream.read(plane))  # up to the end, where gzip keeps its checksum
        except Exception as error:
            raise _undecodable(source, first_line(error)) from error
        if behind == plane:
            raise _undecodable(source, "it holds more slices than its header says")
    if not _is_oriented(image):
        logger.warning("%s has no orientation (sform and qform code 0); left and right are a guess.", source)
    return hu, display, affine


def _image(head: Any, stream: Any, name: str, source: ImageSource) -> Any:
    try:
        start = head.read(348)
        head.seek(0)
        kind = image_class(start, name)
        holders = {"image": nib.FileHolder(fileobj=stream)}
        if kind is not nib.MGHImage:
            holders["header"] = nib.FileHolder(fileobj=head)
        image = kind.from_file_map(holders, mmap=False)
        dtype = image.get_data_dtype()
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise HeadCTReadError(f"{source} is not a readable volume ({first_line(error)}); copy it again.") from error
    if dtype.fields:
        raise HeadCTReadError(f"{source} is a colour volume ({dtype}); give one in HU.", Code.BURNED_IN)
    if dtype.kind not in "iuf":
        raise HeadCTReadError(f"{source} has voxels of type {dtype}; give one in HU.", Code.NOT_HU)
    return image


def _is_oriented(image: Any) -> bool:
    if isinstance(image, nib.Nifti1Pair):
        return bool(image.header["sform_code"] or image.header["qform_code"])
    return isinstance(image, nib.MGHImage) and bool(image.header["goodRASFlag"])


def _check_numbers(voxels: NDArray[Any], source: ImageSource) -> None:
    # The extremes are not finite where any voxel is not.
    if not np.isfinite([voxels.min(), voxels.max()]).all():
        raise HeadCTReadError(
            f"{source} has voxels that are not numbers; HU are needed, so write it again.", Code.UNDECODABLE
        )


def _undecodable(source: ImageSource, reason: str) -> HeadCTReadError:
    return HeadCTReadError(f"The voxels of {source} cannot be decoded ({reason}); copy it again.", Code.UNDECODABLE)


def _itk(path: Path, source: ImageSource) -> tuple[NDArray[Any], NDArray[np.float64]]:
    try:
        header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if header is None:
            raise RuntimeError("its content is of no format that ITK knows")
        header.SetFileName(str(path))
        header.ReadImageInformation()
        dimensions, components = header.GetNumberOfDimensions(), header.GetNumberOfComponents()
    except Exception as error:
        raise HeadCTReadError(f"{source} is not a readable volume ({_last_line(error)}); copy it again.") from error
    if (dimensions, components) != (3, 1):
        raise HeadCTReadError(
            f"{source} has {dimensions} dimensions and {components} values a voxel; a head CT volume has three and one."
        )
    try:
        size = int(header.GetImageSizeInBytes())
        check_block(path, size, size // int(header.GetDimensions(2)))
        image = itk.imread(str(path), itk.F)
    except Exception as error:
        raise _undecodable(source, _last_line(error)) from error
    lps = np.eye(4)
    # Column j of the direction is the step along index j.
    lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.asarray(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    # itk's arrays are (K, J, I).
    return np.transpose(itk.array_view_from_image(image)), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _last_line(error: Exception) -> str:
    """What ITK says, after lines of C++ source positions, and without addresses that differ from run to run."""
    return _ADDRESS.sub("", (str(error).strip().splitlines() or [type(error).__name__])[-1].strip())
