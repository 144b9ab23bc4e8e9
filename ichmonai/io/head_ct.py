"""One reader for every format: native slices in HU."""

import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.filebasedimages import ImageFileError
from PIL import Image, UnidentifiedImageError

from ichmonai.io.dicom import is_dicom, read_series, read_slice
from ichmonai.io.errors import HeadCTReadError
from ichmonai.io.geometry import to_display_orientation

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
        float32 HU: a volume (1, H, W, S), or a slice (1, H, W) for one DICOM file or one 8-bit image. H runs to
        posterior, W to the patient's left, S to superior. The meta data has `affine` (index to RAS+ millimetres),
        `filename_or_obj` and, for DICOM, `sop_instance_uids`, one for each slice.

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
        files = [file for file in sorted(path.iterdir()) if file.is_file() and is_dicom(file)]
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
    dataset, hu = read_slice(path)
    return _tensor(hu, path, sop_instance_uids=[str(dataset.SOPInstanceUID)])


def _series(files: list[Path]) -> MetaTensor:
    volume, affine, uids = read_series(files)
    volume, affine = to_display_orientation(volume, affine)
    return _tensor(volume, files[0].parent, affine, sop_instance_uids=uids)


def _nifti(path: Path) -> MetaTensor:
    try:
        image = nib.load(path)
        voxels = np.asarray(image.dataobj, dtype=np.float32)  # applies scl_slope and scl_inter
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise HeadCTReadError(f"{path} is not a readable NIfTI file ({error}); copy it again.") from error
    return _volume(voxels, np.asarray(image.affine, dtype=float), path)


def _itk(path: Path) -> MetaTensor:
    try:
        image = itk.imread(str(path))
        voxels = np.transpose(itk.array_from_image(image)).astype(np.float32)  # itk's arrays are (K, J, I)
    except RuntimeError as error:
        raise HeadCTReadError(f"{path} is not a readable volume ({str(error).splitlines()[-1]}).") from error
    if voxels.ndim != 3:
        raise HeadCTReadError(f"{path} has {voxels.ndim} dimensions; a head CT volume has three.")
    lps = np.eye(4)
    lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.asarray(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    return _volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, path)


def _volume(voxels: np.ndarray, affine: np.ndarray, path: Path) -> MetaTensor:
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim != 3:
        raise HeadCTReadError(f"{path} has shape {voxels.shape}; a head CT volume has three dimensions.")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise HeadCTReadError(f"The affine of {path} is not invertible; its orientation is unknown.")
    if not np.isfinite(voxels).all():
        raise HeadCTReadError(f"{path} has voxels that are not numbers; HU are needed.")
    volume, affine = to_display_orientation(voxels, affine)
    return _tensor(volume, path, affine)


def _image(path: Path, window: tuple[float, float]) -> MetaTensor:
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1", "RGB", "RGBA", "LA"):
                raise HeadCTReadError(f"{path} has pixel mode {image.mode}; give an 8-bit image.")
            pixels = np.asarray(image.convert("L"), dtype=np.float32)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise HeadCTReadError(f"{path} is not a readable image ({error}); copy it again.") from error
    level, width = window
    return _tensor(level - width / 2 + pixels * (width / 255), path)


def _tensor(hu: np.ndarray, path: Path, affine: np.ndarray | None = None, **meta: object) -> MetaTensor:
    data = torch.from_numpy(np.ascontiguousarray(hu[None], dtype=np.float32))
    matrix = torch.from_numpy(np.eye(4) if affine is None else affine)
    return MetaTensor(data, affine=matrix, meta={"filename_or_obj": str(path), **meta})
