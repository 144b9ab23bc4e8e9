"""Volumes with text headers that ITK reads: NRRD and MetaImage.

ITK does not look at the checksum of compressed voxels, and passes over what is there beyond those of the header: they
are checked before.
"""

import re
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.format import Voxels
from ichmonai.io.limits import AIR_HU
from ichmonai.io.orientation import to_display_orientation
from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.text_headers import named_voxels, read_start
from ichmonai.io.volumes.volume import VolumeFormat, check_numbers, undecodable

_ADDRESS = re.compile(r"\(0x[0-9a-f]+\)")
_BLOCK = 2**20
_SKIP = re.compile(rb"^(HeaderSize[ \t]*=|(byte|line) ?skip:)", re.MULTILINE)


class ItkFormat(VolumeFormat):
    """A format of volumes that ITK reads.

    Attributes:
        end: what ends a header.
        packed: what says in it that the voxels are compressed.
    """

    end: ClassVar[re.Pattern[bytes]]
    packed: ClassVar[re.Pattern[bytes]]

    @abstractmethod
    def check_block(self, header: bytes, packed: bool) -> None:
        """Check what a header says of voxels in its own file.

        Raises:
            ValueError: where ITK would read other numbers than were written.
        """

    def other_files(self, source: ImageSource) -> Sequence[Path]:
        """The file of the voxels."""
        path = Path(source.path)
        return [path.parent / name] if path.is_file() and (name := named_voxels(read_start(path))) else []

    def voxels(self, path: Path, source: ImageSource) -> Voxels:
        """Read the voxels, at twice the memory of the result."""
        import itk  # slow, and not for headers

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
                f"{source} has {dimensions} dimensions and {components} values a voxel; "
                "a head CT volume has three and one."
            )
        try:
            size = int(header.GetImageSizeInBytes())
            self._check_length(path, size, size // int(header.GetDimensions(2)))
            image = itk.imread(str(path), itk.F)
        except Exception as error:
            raise undecodable(source, _last_line(error)) from error
        lps = np.eye(4)
        # Column j of the direction is the step along index j.
        lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.asarray(image.GetSpacing())
        lps[:3, 3] = image.GetOrigin()
        # itk's arrays are (K, J, I).
        voxels: NDArray[Any] = np.transpose(itk.array_view_from_image(image))
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
        check_numbers(voxels, source)
        volume, display = to_display_orientation(voxels, affine)
        # A copy: ITK owns what stands there.
        return Voxels(np.maximum(volume, np.float32(AIR_HU), order="K"), display, affine)

    def _check_length(self, path: Path, size: int, plane: int) -> None:
        """Check that a file holds the voxels that its header promises, whole and not a slice more.

        Args:
            path: its header was found good.
            size: bytes of all voxels.
            plane: bytes of a slice.

        Raises:
            ValueError: where it does not.
            zlib.error: where compressed voxels are damaged.
            OSError: where the file of the voxels cannot be read.
        """
        header = read_start(path)
        end = self.end.search(header)
        if end is None:
            raise ValueError("its header has no end")
        header = header[: end.end()]
        if _SKIP.search(header):  # rare, and known to ITK
            return
        packed = bool(self.packed.search(header))
        start = end.end()
        if name := named_voxels(header):
            path, start = path.parent / name, 0
        else:
            self.check_block(header, packed)
        with path.open("rb") as file:
            file.seek(start)
            found = 0
            for count in _inflated(file) if packed else (path.stat().st_size - start,):
                found += count
                if found >= size + plane:
                    break
        if found < size:
            raise ValueError("it is too short for the voxels of its header")
        if found >= size + plane:
            raise ValueError("it holds more slices than its header says")


def _inflated(file: BinaryIO) -> Iterator[int]:
    """Lengths of what a zlib or gzip stream inflates to, up to its checksum, a block at a time."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    while not stream.eof:
        block = stream.unconsumed_tail or file.read(_BLOCK)
        if not block:
            raise ValueError("its compressed voxels are cut off")
        yield len(stream.decompress(block, _BLOCK))


def _last_line(error: Exception) -> str:
    """What ITK says, after lines of C++ source positions, and without addresses that differ from run to run."""
    return _ADDRESS.sub("", (str(error).strip().splitlines() or [type(error).__name__])[-1].strip())
