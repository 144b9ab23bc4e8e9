"""NIfTI, NRRD and MetaImage volumes in HU."""

import logging
import re
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import first_line
from ichmonai.io.discovery.volume_headers import read_volume
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.readers.geometry import to_display_orientation
from ichmonai.io.readers.hounsfield import AIR_HU
from ichmonai.io.readers.pixels import check_size
from ichmonai.io.readers.sources import image_path, open_image
from ichmonai.io.series import Location
from ichmonai.io.suffixes import NIFTI_SUFFIXES

_ADDRESS = re.compile(r"\(0x[0-9a-f]+\)")

logger = logging.getLogger(__name__)


def load_volume(location: Location) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read a volume in any orientation.

    Args:
        location: a .nii, .nii.gz, .nrrd, .mha or .mhd file.

    Returns:
        HU float32 (H, W, S), H to posterior, W to the patient's left, S to superior, with scl_slope and scl_inter
        applied; and the 4x4 affine from index to RAS+ millimetres.

    Raises:
        HeadCTReadError: `UNREADABLE` where the header is damaged or not of one value a voxel in three dimensions,
            `BAD_GEOMETRY`, `TOO_LARGE` (by the header, before anything is allocated), `BURNED_IN` in colour, and
            `UNDECODABLE` where voxels are missing or no numbers.
    """
    with image_path(location) as path:
        with open_image(Location(str(path))) as file:
            header = read_volume(file, location, str(location))
        check_size(str(location), header.rows, header.columns, header.slices)
        nifti = path.name.lower().endswith(NIFTI_SUFFIXES)
        voxels, affine = _nifti(path, location) if nifti else _itk(path, location)
        while voxels.ndim > 3 and voxels.shape[-1] == 1:
            voxels = voxels[..., 0]
        if voxels.ndim != 3:
            raise HeadCTReadError(f"{location} has shape {voxels.shape}; a head CT volume has three dimensions.")
        # The extremes are not finite where any voxel is not.
        if not np.isfinite([voxels.min(), voxels.max()]).all():
            raise HeadCTReadError(
                f"{location} has voxels that are not numbers; HU are needed, so write it again.", Code.UNDECODABLE
            )
        volume, affine = to_display_orientation(voxels, affine)
        # A copy: what stands there now may be the file itself, or belong to a library.
        hu = np.maximum(volume, np.float32(AIR_HU), order="C")
    return hu, affine


def _nifti(path: Path, location: Location) -> tuple[NDArray[Any], NDArray[np.float64]]:
    try:
        image = nib.load(path, mmap=False)  # type: ignore[call-arg]
        kind = image.get_data_dtype()  # type: ignore[attr-defined]
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise HeadCTReadError(
            f"{location} is not a readable NIfTI volume ({first_line(error)}); copy it again."
        ) from error
    if not isinstance(image, nib.Nifti1Pair):  # Nifti2 and single files are among its subclasses
        raise HeadCTReadError(f"{location} is a {type(image).__name__}, not NIfTI; convert it.")
    if kind.fields:
        raise HeadCTReadError(f"{location} is a colour volume ({kind}); give one in HU.", Code.BURNED_IN)
    if kind.kind not in "iuf":
        raise HeadCTReadError(f"{location} has voxels of type {kind}; give one in HU.", Code.NOT_HU)
    try:
        voxels = np.asarray(image.dataobj, dtype=np.float32)  # applies scl_slope and scl_inter
    except Exception as error:
        raise HeadCTReadError(
            f"The voxels of {location} cannot be decoded ({first_line(error)}); copy it again.", Code.UNDECODABLE
        ) from error
    if not (image.header["sform_code"] or image.header["qform_code"]):
        logger.warning("%s has no orientation (sform and qform code 0); left and right are a guess.", location)
    return voxels, np.asarray(image.affine, dtype=np.float64)


def _itk(path: Path, location: Location) -> tuple[NDArray[Any], NDArray[np.float64]]:
    try:
        header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if header is None:
            raise RuntimeError("its content is of no format that ITK knows")
        header.SetFileName(str(path))
        header.ReadImageInformation()
        dimensions, components = header.GetNumberOfDimensions(), header.GetNumberOfComponents()
    except Exception as error:
        raise HeadCTReadError(f"{location} is not a readable volume ({_last_line(error)}); copy it again.") from error
    if (dimensions, components) != (3, 1):
        raise HeadCTReadError(
            f"{location} has {dimensions} dimensions and {components} values a voxel; "
            "a head CT volume has three and one."
        )
    try:
        image = itk.imread(str(path), itk.F)
    except Exception as error:
        raise HeadCTReadError(
            f"The voxels of {location} cannot be decoded ({_last_line(error)}); copy it again.", Code.UNDECODABLE
        ) from error
    lps = np.eye(4)
    # Column j of the direction is the step along index j.
    lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.asarray(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    # itk's arrays are (K, J, I).
    return np.transpose(itk.array_view_from_image(image)), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _last_line(error: Exception) -> str:
    """What ITK says, after lines of C++ source positions, and without addresses that differ from run to run."""
    return _ADDRESS.sub("", (str(error).strip().splitlines() or [type(error).__name__])[-1].strip())
