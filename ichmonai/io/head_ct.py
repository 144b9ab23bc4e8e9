"""One reader for every format: native slices in HU."""

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from PIL import Image

from ichmonai.errors import first_line
from ichmonai.io.dicom import AIR_HU, dicom_files, read_slice, stack_slices
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.geometry import to_display_orientation

logger = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
DTVIT_WINDOW = (40.0, 80.0)
"""Level and width in HU with which the DTViT data set's 8-bit images were written."""


def load_head_ct(
    path: str | PathLike | Sequence[str | PathLike], window: tuple[float, float] = DTVIT_WINDOW
) -> MetaTensor:
    """Read head CT of any supported format into HU.

    Args:
        path: a DICOM series folder, the list of a series' files, one DICOM file, a NIfTI (.nii, .nii.gz), NRRD or
            MetaImage volume, or an 8-bit slice image (.png, .jpg, .jpeg, .bmp).
        window: level and width in HU that 0..255 of an 8-bit image stands for.

    Returns:
        float32 HU, not below -1024: a volume (1, H, W, S), or a slice (1, H, W) for one DICOM file or one 8-bit image.
        H runs to posterior, W to the patient's left, S to superior. The meta data has `affine` (index to RAS+
        millimetres), `filename_or_obj` and, for DICOM, `sop_instance_uids`, one for each slice. A slice without
        geometry (any 8-bit image) is taken as it stands, and its affine is the unit matrix.

    Raises:
        HeadCTReadError: when there is nothing there that can be read, in one sentence.

    Example:
        >>> load_head_ct("study/series").shape  # doctest: +SKIP
        (1, 512, 512, 32)
    """
    if not isinstance(path, str | PathLike):
        return _series([Path(p) for p in path])
    path = Path(path)
    if not path.exists():
        raise HeadCTReadError(f"{path} does not exist; check the path.")
    if path.is_dir():
        files = dicom_files(path)
        if not files:
            raise HeadCTReadError(f"{path} holds no DICOM files; give the folder of one CT series.")
        return _series(files)
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return _nifti(path)
    if name.endswith(ITK_SUFFIXES):
        return _itk(path)
    if name.endswith(IMAGE_SUFFIXES):
        return _image(path, window)
    return _slice(path)


def _series(files: list[Path]) -> MetaTensor:
    volume, affine, uids = stack_slices([read_slice(file) for file in files])
    # The last axis stays the last and ascending: stack_slices takes axial series only, from inferior to superior.
    volume, affine = to_display_orientation(volume, affine)
    return _tensor(volume, files[0].parent, affine, sop_instance_uids=uids)


def _slice(path: Path) -> MetaTensor:
    image = read_slice(path)
    if not image.is_placed:
        return _tensor(image.hu, path, sop_instance_uids=[image.uid])
    volume, affine, uids = stack_slices([image])
    volume, affine = to_display_orientation(volume, affine)
    return _tensor(volume[..., 0], path, affine, sop_instance_uids=uids)


def _nifti(path: Path) -> MetaTensor:
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Pair):  # Nifti2 and single files are among its subclasses
            raise HeadCTReadError(f"{path} is a {type(image).__name__}, not NIfTI; convert it.")
        voxels = np.asarray(image.dataobj, dtype=np.float32)  # applies scl_slope and scl_inter
        affine = np.asarray(image.affine, dtype=np.float64)
        oriented = bool(image.header["sform_code"] or image.header["qform_code"])
    except HeadCTReadError:
        raise
    except Exception as error:  # nibabel raises errors of many kinds on damaged files
        raise HeadCTReadError(f"{path} is not a readable NIfTI volume ({first_line(error)}); copy it again.") from error
    if not oriented:
        logger.warning("%s has no orientation (sform and qform code 0); left and right are a guess.", path)
    return _volume(voxels, affine, path)


def _itk(path: Path) -> MetaTensor:
    try:
        header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if header is None:
            raise RuntimeError("its content is of no format that ITK knows")
        header.SetFileName(str(path))
        header.ReadImageInformation()
        dimensions, components = header.GetNumberOfDimensions(), header.GetNumberOfComponents()
        if (dimensions, components) == (3, 1):
            image = itk.imread(str(path), itk.F)
    except Exception as error:
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]  # after lines of C++ source positions
        raise HeadCTReadError(f"{path} is not a readable volume ({last[0].strip()}); copy it again.") from error
    if (dimensions, components) != (3, 1):
        raise HeadCTReadError(
            f"{path} has {dimensions} dimensions and {components} values a voxel; a head CT volume has three and one."
        )
    voxels = np.transpose(itk.array_from_image(image))  # itk's arrays are (K, J, I)
    lps = np.eye(4)
    # Column j of the direction is the step along index j.
    lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.asarray(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    return _volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, path)


def _volume(voxels: NDArray[np.float32], affine: NDArray[np.float64], path: Path) -> MetaTensor:
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim != 3 or not voxels.size:
        raise HeadCTReadError(f"{path} has shape {voxels.shape}; a head CT volume has three dimensions.")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise HeadCTReadError(f"The affine of {path} is not invertible; its orientation is unknown.")
    if not np.isfinite(voxels).all():
        raise HeadCTReadError(f"{path} has voxels that are not numbers; HU are needed.")
    volume, affine = to_display_orientation(np.maximum(voxels, np.float32(AIR_HU)), affine)
    return _tensor(volume, path, affine)


def _image(path: Path, window: tuple[float, float]) -> MetaTensor:
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = np.asarray(image.convert("L"), dtype=np.float32)
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise HeadCTReadError(f"{path} is not a readable image ({first_line(error)}); copy it again.") from error
    if mode not in ("L", "P", "1", "RGB", "RGBA", "LA"):
        raise HeadCTReadError(f"{path} has pixel mode {mode}; give an 8-bit image.")
    level, width = window
    return _tensor(level - width / 2 + pixels * (width / 255), path)


def _tensor(
    hu: NDArray[np.float32], path: Path, affine: NDArray[np.float64] | None = None, **meta: object
) -> MetaTensor:
    data = torch.from_numpy(np.ascontiguousarray(hu[None], dtype=np.float32))
    matrix = torch.from_numpy(np.eye(4) if affine is None else affine)
    return MetaTensor(data, affine=matrix, meta={"filename_or_obj": str(path), **meta})
