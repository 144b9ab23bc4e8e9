"""NIfTI and Analyze volumes in two files, the header .hdr and the voxels .img."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.nibabel_volume import NibabelFormat, nifti_version


class Pair(NibabelFormat):
    """NIfTI-1, NIfTI-2 and Analyze in two files."""

    name = "Analyze"
    suffixes = (".hdr", ".hdr.gz")
    voxel_suffixes = (".img", ".img.gz")
    orphan = "half of a pair of files, and no .hdr is beside it"

    def image_class(self, start: bytes) -> Any:
        """Class of nibabel that reads a file."""
        version = nifti_version(start)
        if not version:
            raise ValueError("it is neither Analyze nor NIfTI")
        if version == 2:
            return nib.Nifti2Pair
        if start[344:347] == b"n+1":
            raise ValueError("it is a NIfTI volume in one file; name it .nii")
        return nib.Nifti1Pair if start[344:347] == b"ni1" else nib.AnalyzeImage

    def shape_and_affine(self, kind: Any, start: bytes, source: ImageSource) -> tuple[Sequence[int], Any]:
        """Parse a header.

        Raises:
            HeadCTReadError: of half a pair, and of Analyze voxels with a scale.
        """
        if source.member:
            raise HeadCTReadError(
                f"{source} is half of a pair of files in an archive; unpack it, or convert the pair to one .nii file."
            )
        if _other_half(Path(source.path), self.suffixes, self.voxel_suffixes) is None:
            raise HeadCTReadError(
                f"{source} is half of a pair of files, and no .img is beside it; copy both, or convert the pair to one "
                ".nii file."
            )
        found = super().shape_and_affine(kind, start, source)
        if kind is nib.AnalyzeImage and float(kind.header_class(start[:348], check=False)["funused1"]) not in (0, 1):
            raise HeadCTReadError(
                f"{source} has a scale factor in its Analyze header, which programs read differently; convert it to "
                "one .nii file.",
                Code.NOT_HU,
            )
        return found

    def voxels_of(self, header: Path) -> Path:
        """The file that holds the voxels."""
        return _other_half(header, self.suffixes, self.voxel_suffixes) or header  # the header's reader has seen it

    def header_of(self, voxels: Path) -> Path | None:
        """The header beside voxels."""
        return _other_half(voxels, self.voxel_suffixes, self.suffixes)

    def other_files(self, source: ImageSource) -> Sequence[Path]:
        """The other half."""
        path = Path(source.path)
        halves = (self.suffixes, self.voxel_suffixes)
        own, others = halves if path.name.lower().endswith(self.suffixes) else halves[::-1]
        return [found] if (found := _other_half(path, own, others)) else []


def _other_half(path: Path, own: tuple[str, ...], others: tuple[str, ...]) -> Path | None:
    suffix = next(one for one in reversed(own) if path.name.lower().endswith(one))
    stem = path.name[: -len(suffix)]
    # Both are compressed, or neither; but both of other mixtures are found as well.
    order = sorted(others, key=lambda one: one.endswith(".gz") != suffix.endswith(".gz"))
    beside = (path.with_name(stem + spelled) for one in order for spelled in (one, one.upper()))
    return next((one for one in beside if os.path.isfile(one)), None)  # noqa: PTH113  (pathlib raises OSError on some names)


FORMAT = Pair()
