"""One reader for every format: native slices in HU."""

import os
from collections.abc import Sequence
from itertools import groupby
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from ichmonai.io.discovery.header_checks import check_size
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.pairs import header_of
from ichmonai.io.readers.dicom import CTSlice, dicom_files, read_slices
from ichmonai.io.readers.geometry import to_original_orientation
from ichmonai.io.readers.images import load_image
from ichmonai.io.readers.stack import stack_slices
from ichmonai.io.readers.volumes import load_volume
from ichmonai.io.series import ImageSource
from ichmonai.io.suffixes import PAIR_VOXEL_SUFFIXES, PICTURE_SUFFIXES, VOLUME_SUFFIXES

DTVIT_WINDOW = (40.0, 80.0)
"""Level and width in HU with which the DTViT data set's 8-bit images were written."""

Image = str | PathLike[str] | ImageSource


def load_head_ct(path: Image | Sequence[Image], window: tuple[float, float] = DTVIT_WINDOW) -> MetaTensor:
    """Read head CT of any supported format into HU.

    Args:
        path: a DICOM series folder, the list of a series' files, one DICOM file, a NIfTI (.nii, .nii.gz, or .hdr
            with .img), Analyze, MGH, NRRD or MetaImage volume, or an 8-bit slice image (.png, .jpg, .jpeg, .bmp); a
            `ImageSource`, or several of one
            series, for members of a zip archive and frames of an enhanced multi-frame file.
        window: level and width in HU that 0..255 of an 8-bit image stands for.

    Returns:
        float32 HU, not below -1024: a volume (1, H, W, S), or a slice (1, H, W) for one DICOM image, one frame or one
        8-bit image. H runs to posterior, W to the patient's left, S to superior. The meta data has `affine` (index to
        RAS+ millimetres), `filename_or_obj`, `findings` (a list of [code, sentence] on what was seen while reading)
        and, for DICOM, `slice_thickness` in mm and `sop_instance_uids`, one for each slice, with `frames` (numbers from
        1) where the file has several. A slice without geometry (any 8-bit image) is taken as it stands, and its affine
        is the unit matrix.
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
    if isinstance(path, ImageSource):
        return _one(path, window)
    if isinstance(path, str | PathLike):
        if os.path.isdir(path):  # noqa: PTH112  (pathlib raises OSError on names that no file can have)
            files = dicom_files(Path(path))
            if not files:
                raise HeadCTReadError(f"{path} holds no DICOM files; give the folder of one CT series.", Code.EMPTY)
            return _series([ImageSource(str(file)) for file in files])
        return _one(ImageSource(os.fspath(path)), window)
    sources = [one if isinstance(one, ImageSource) else ImageSource(os.fspath(one)) for one in path]
    if not sources:
        raise HeadCTReadError("There are no files to read; give those of one CT series.", Code.EMPTY)
    if len(sources) == 1 and _name(sources[0]).endswith((*VOLUME_SUFFIXES, *PICTURE_SUFFIXES)):
        return _one(sources[0], window)
    return _series(sources)


def _name(source: ImageSource) -> str:
    return (source.member or source.path).lower()


def _one(source: ImageSource, window: tuple[float, float]) -> MetaTensor:
    name = _name(source)
    if name.endswith(VOLUME_SUFFIXES):
        hu, affine, original_affine = load_volume(source)
        return _tensor(hu, source, affine, original_affine=original_affine)
    if name.endswith(PICTURE_SUFFIXES):
        hu, findings = load_image(source, window)
        return _tensor(hu, source, findings=findings)
    if name.endswith(PAIR_VOXEL_SUFFIXES):
        header = None if source.member else header_of(Path(source.path))
        if header is None:
            raise HeadCTReadError(
                f"{source} is half of a pair of files, and no .hdr is beside it; convert the pair to one .nii file."
            )
        return _one(ImageSource(str(header)), window)
    images = list(read_slices(source, None if source.frame < 0 else [source.frame]))
    if len(images) > 1:
        return _stacked(images, source)
    if not images[0].is_placed:
        return _tensor(images[0].hu, source, None, images[0].findings, images)
    stack = stack_slices(images)
    return _tensor(stack.hu[..., 0], source, stack.affine, stack.findings, images, _columns_first(stack.affine))


def _series(sources: Sequence[ImageSource]) -> MetaTensor:
    """Read file by file, the frames of one file in one go; their order in space is found afterwards."""
    images: list[CTSlice] = []
    pixels = 0
    for (path, member), group in groupby(sorted(sources), key=lambda one: (one.path, one.member)):
        frames = [one.frame for one in group]
        for image in read_slices(ImageSource(path, member), None if min(frames) < 0 else frames):
            images.append(image)
            pixels += image.stored.size
            rows, columns = image.stored.shape
            check_size(str(sources[0]), rows, columns, -(-pixels // (rows * columns)))
    first = sources[0]
    return _stacked(images, first if first.member or len(sources) == 1 else ImageSource(str(Path(first.path).parent)))


def _stacked(images: list[CTSlice], source: ImageSource) -> MetaTensor:
    stack = stack_slices(images)
    return _tensor(stack.hu, source, stack.affine, stack.findings, stack.slices, _columns_first(stack.affine))


def _columns_first(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return affine[:, [1, 0, 2, 3]]


def _tensor(
    hu: NDArray[np.float32],
    source: ImageSource,
    affine: NDArray[np.float64] | None = None,
    findings: Sequence[Finding] = (),
    images: Sequence[CTSlice] = (),
    original_affine: NDArray[np.float64] | None = None,
) -> MetaTensor:
    meta: dict[str, object] = {
        "filename_or_obj": str(source),
        "findings": [[finding.code.value, finding.sentence] for finding in findings],
    }
    if affine is not None and original_affine is not None:
        shape = np.broadcast_to(0, hu.shape if hu.ndim == 3 else (*hu.shape, 1))
        original = to_original_orientation(shape, affine, original_affine)
        meta |= {"original_affine": torch.from_numpy(original_affine), "spatial_shape": np.array(original.shape)}
    if images:
        meta["sop_instance_uids"] = [image.uid for image in images]
        meta["slice_thickness"] = images[0].thickness
    if any(image.source.frame >= 0 for image in images):
        meta["frames"] = [image.source.frame + 1 for image in images]
    data = torch.from_numpy(hu.astype(np.float32, copy=False)[None])
    return MetaTensor(data, affine=torch.from_numpy(np.eye(4) if affine is None else affine), meta=meta)
