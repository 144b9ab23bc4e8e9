"""Volumes that nibabel reads: NIfTI in one file or two, Analyze, and FreeSurfer's MGH."""

import gzip
import logging
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import first_line
from ichmonai.io.files.opening import open_image
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.format import Voxels
from ichmonai.io.limits import AIR_HU, MAX_NIFTI_OFFSET
from ichmonai.io.orientation import empty_volume
from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.volume import Grid, VolumeFormat, check_numbers, undecodable

_BLOCK = 540
"""Bytes of a NIfTI-2 header, the longest."""
_PACKED = (".gz", ".mgz")
_SLAB = 2**22
"""Voxels that are read at a time."""
_INFLATES = 1032
"""Bytes that DEFLATE makes of one, at most."""

logger = logging.getLogger(__name__)


class NibabelFormat(VolumeFormat):
    """A format of volumes that nibabel reads."""

    @abstractmethod
    def image_class(self, start: bytes) -> Any:
        """Class of nibabel that reads a file.

        Args:
            start: the first bytes of its header, inflated.

        Raises:
            ValueError: where it is no header of such a file.
        """

    def voxels_of(self, header: Path) -> Path:
        """The file that holds the voxels."""
        return header

    def shape_and_affine(self, kind: Any, start: bytes, source: ImageSource) -> tuple[Sequence[int], Any]:
        """Parse a header of NIfTI or Analyze.

        Args:
            kind: what `image_class` found.
            start: the first bytes of the header, inflated.
            source: where it is.

        Returns:
            Shape, and 4x4 affine from index to RAS+ millimetres.

        Raises:
            ValueError: where it is none.
        """
        header = kind.header_class(start[: kind.header_class.template_dtype.itemsize], check=False)
        if not 0 <= float(header["vox_offset"]) <= MAX_NIFTI_OFFSET:
            raise ValueError("its voxels are said to be far behind its header")
        return header.get_data_shape(), header.get_best_affine()

    def grid(self, file: BinaryIO, source: ImageSource) -> Grid:
        """Read where the voxels lie."""
        start = _unpacked(file, source.name).read(_BLOCK)
        return Grid.of_ras(*self.shape_and_affine(self.image_class(start), start, source))

    def voxels(self, path: Path, source: ImageSource) -> Voxels:
        """Read some slices at a time, so that the volume is in memory once."""
        voxels_path = self.voxels_of(path)
        with ExitStack() as stack:
            file = stack.enter_context(open_image(ImageSource(str(voxels_path))))
            stream = _unpacked(file, voxels_path.name)
            head = stream if voxels_path == path else _unpacked(stack.enter_context(path.open("rb")), path.name)
            image = self._image(head, stream, source)
            voxels: Any = image.dataobj
            rows, columns, slices = image.shape[:3]
            plane = rows * columns * voxels.dtype.itemsize
            most = voxels_path.stat().st_size * (_INFLATES if _is_packed(voxels_path.name) else 1)
            if voxels.offset + slices * plane > most:
                raise undecodable(source, "it is too short for the voxels of its header")
            affine = np.asarray(image.affine, dtype=np.float64)
            hu, acquired, display = empty_volume((rows, columns, slices), affine)
            step = max(1, _SLAB // (rows * columns))
            for start in range(0, slices, step):
                part = slice(start, start + step)
                slab = _slab(voxels, part, source)
                check_numbers(slab, source)
                np.maximum(slab, np.float32(AIR_HU), out=acquired[:, :, part])
            try:
                behind = len(stream.read(plane))  # up to the end, where gzip keeps its checksum
            except Exception as error:
                raise undecodable(source, first_line(error)) from error
            if behind == plane:
                raise undecodable(source, "it holds more slices than its header says")
        if not _is_oriented(image):
            logger.warning("%s has no orientation (sform and qform code 0); left and right are a guess.", source)
        return Voxels(hu, display, affine)

    def _image(self, head: Any, stream: Any, source: ImageSource) -> Any:
        try:
            kind = self.image_class(head.read(_BLOCK))
            head.seek(0)
            holders = {"image": nib.FileHolder(fileobj=stream)}
            if head is not stream:
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


def nifti_version(start: bytes) -> int:
    """2 or 1 of NIfTI, also 1 of Analyze, by the length that a header gives itself; 0 of anything else."""
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}  # type: ignore[arg-type]
    return 2 if 540 in sizes else 1 if 348 in sizes else 0


def _slab(voxels: Any, part: slice, source: ImageSource) -> NDArray[np.float32]:
    try:
        slab = np.asarray(voxels[:, :, part], dtype=np.float32)  # applies scl_slope and scl_inter
    except Exception as error:  # nibabel and gzip raise errors of many kinds on damaged files
        raise undecodable(source, first_line(error)) from error
    return slab.reshape(slab.shape[:3])


def _unpacked(file: Any, name: str) -> Any:
    """The stream of a file by its name, inflated where that says that it is compressed."""
    return gzip.GzipFile(fileobj=file) if _is_packed(name) else file


def _is_packed(name: str) -> bool:
    return name.lower().endswith(_PACKED)


def _is_oriented(image: Any) -> bool:
    if isinstance(image, nib.Nifti1Pair):
        return bool(image.header["sform_code"] or image.header["qform_code"])
    return isinstance(image, nib.MGHImage) and bool(image.header["goodRASFlag"])
