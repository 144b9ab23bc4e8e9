"""One reader for every format: native slices in HU."""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.format import Voxels
from ichmonai.io.formats import dicom, format_of, format_of_voxels, picture
from ichmonai.io.formats.dicom.files import dicom_files
from ichmonai.io.header import Kind
from ichmonai.io.limits import AIR_HU
from ichmonai.io.orientation import to_display_orientation, to_original_orientation
from ichmonai.io.series import ImageSource

DTVIT_WINDOW = (40.0, 80.0)
"""Level and width in HU with which the DTViT data set's 8-bit images were written."""

Image = str | PathLike[str] | ImageSource


def load_head_ct(path: Image | Sequence[Image], window: tuple[float, float] = DTVIT_WINDOW) -> MetaTensor:
    """Read head CT of any supported format into HU.

    Args:
        path: a DICOM series folder, the list of a series' files, one DICOM file, a NIfTI (.nii, .nii.gz, or .hdr
            with .img), Analyze, MGH, NRRD or MetaImage volume, or an 8-bit slice image (.png, .jpg, .jpeg, .bmp), or a
            list of those of one study in their order; a `ImageSource`, or several of one series, for members of a
            zip archive and frames of an enhanced multi-frame file.
        window: level and width in HU that 0..255 of an 8-bit image stands for.

    Returns:
        float32 HU, not below -1024: a volume (1, H, W, S), or a slice (1, H, W) for one DICOM image, one frame or one
        8-bit image. H runs to posterior, W to the patient's left, S to superior. The meta data has `affine` (index to
        RAS+ millimetres), `filename_or_obj`, `findings` (a list of [code, sentence] on what was seen while reading)
        and, for DICOM, `slice_thickness` in mm and `sop_instance_uids`, one for each slice, with `frames` (numbers from
        1) where the file has several, and `slice_places`, the place of each slice along the normal in mm. A slice
        without geometry (any 8-bit image) is taken as it stands, and its affine is the unit matrix.
        What has geometry also has MONAI's `original_affine` and `spatial_shape`, of the file's own axes: of a DICOM
        series columns, rows, slices, as ITK and NIfTI have them.
        At its peak, reading takes the memory of the result and little more for NIfTI, half as much again for a DICOM
        series (the stored values), and twice as much for NRRD and MetaImage.

    Raises:
        HeadCTReadError: when there is nothing there that can be read, in one sentence and with its `Code`.

    Example:
        >>> load_head_ct("study/series").shape  # doctest: +SKIP
        (1, 512, 512, 32)
    """
    if isinstance(path, str | PathLike):
        if os.path.isdir(path):  # noqa: PTH112  (pathlib raises OSError on names that no file can have)
            files = dicom_files(Path(path))
            if not files:
                raise HeadCTReadError(f"{path} holds no DICOM files; give the folder of one CT series.", Code.EMPTY)
            return _series([ImageSource(str(file)) for file in files])
        path = ImageSource(os.fspath(path))
    if isinstance(path, ImageSource):
        return _tensor(_read(path, window), path)
    sources = [one if isinstance(one, ImageSource) else ImageSource(os.fspath(one)) for one in path]
    if not sources:
        raise HeadCTReadError("There are no files to read; give those of one CT series.", Code.EMPTY)
    if len(sources) == 1 and (found := format_of(sources[0].name)) and found.kind is not Kind.DICOM:
        return _tensor(found.read(sources[0], window), sources[0])
    if (found := format_of(sources[0].name)) is picture.FORMAT:
        return _tensor(picture.FORMAT.read_series(sources, window), _folder(sources))
    return _series(sources)


def head_ct_of(hu: NDArray[Any], affine: NDArray[np.float64] | None = None, name: str = "array") -> MetaTensor:
    """Take HU that are in memory for what `load_head_ct` reads from a file.

    Args:
        hu: numbers in HU, a volume (I, J, K) or a slice (H, W) that stands as radiologists see it.
        affine: 4x4 from index of a volume to RAS+ millimetres, as nibabel and MONAI have it.
        name: what sentences call it.

    Returns:
        As `load_head_ct` gives it.

    Raises:
        HeadCTReadError: it is no volume or slice of finite numbers, or a volume without a sound affine.
    """
    array = np.asarray(hu)
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise HeadCTReadError(
            f"{name} is no volume (I, J, K) or slice (H, W) of finite HU, but {array.dtype} {array.shape}; give HU.",
            Code.UNREADABLE,
        )
    array = np.maximum(array.astype(np.float32), AIR_HU)
    if array.ndim == 2:
        return _tensor(Voxels(array), ImageSource(name))
    matrix = np.eye(4) if affine is None else np.asarray(affine, dtype=np.float64)
    if affine is None or matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise HeadCTReadError(f"{name} has no sound geometry; give spacing or affine in mm.", Code.BAD_GEOMETRY)
    shown, placed = to_display_orientation(array, matrix)
    return _tensor(Voxels(np.ascontiguousarray(shown), placed, matrix), ImageSource(name))


def _read(source: ImageSource, window: tuple[float, float]) -> Voxels:
    if found := format_of(source.name):
        return found.read(source, window)
    whole = format_of_voxels(source.name)
    if whole and not source.member and (header := whole.header_of(Path(source.path))):
        return whole.read(ImageSource(str(header)), window)
    try:
        return dicom.FORMAT.read(source)  # which needs no suffix
    except HeadCTReadError as error:
        there = os.path.isfile(source.path)  # noqa: PTH113  (as above)
        if whole is None or error.code is not Code.UNREADABLE or not there:
            raise
        raise HeadCTReadError(
            f"{source} is {whole.orphan}; give its header, or convert it to one .nii file."
        ) from error


def _series(sources: Sequence[ImageSource]) -> MetaTensor:
    return _tensor(dicom.FORMAT.read_series(sources), _folder(sources))


def _folder(sources: Sequence[ImageSource]) -> ImageSource:
    """What sentences call a series."""
    first = sources[0]
    return first if first.member or len(sources) == 1 else ImageSource(str(Path(first.path).parent))


def _tensor(voxels: Voxels, source: ImageSource) -> MetaTensor:
    hu, affine, original_affine = voxels[:3]
    meta: dict[str, object] = {
        "filename_or_obj": str(source),
        "findings": [[finding.code.value, finding.sentence] for finding in voxels.findings],
    }
    if affine is not None and original_affine is not None:
        shape = np.broadcast_to(0, hu.shape if hu.ndim == 3 else (*hu.shape, 1))
        original = to_original_orientation(shape, affine, original_affine)
        meta |= {"original_affine": torch.from_numpy(original_affine), "spatial_shape": np.array(original.shape)}
    if voxels.uids:
        meta["sop_instance_uids"] = list(voxels.uids)
    if voxels.thickness is not None:
        meta["slice_thickness"] = voxels.thickness
    if voxels.places:
        meta["slice_places"] = list(voxels.places)
    if voxels.frames:
        meta["frames"] = list(voxels.frames)
    data = torch.from_numpy(hu.astype(np.float32, copy=False)[None])
    return MetaTensor(data, affine=torch.from_numpy(np.eye(4) if affine is None else affine), meta=meta)
