"""Volumes: from the geometry of a file to its header, and to voxels as radiologists see them."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ichmonai.errors import first_line
from ichmonai.io.files.bounded import BoundedReader
from ichmonai.io.files.opening import image_path
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.format import Format, Voxels
from ichmonai.io.header import ImageHeader, Kind, Vector
from ichmonai.io.limits import MAX_DIMENSIONS, check_size
from ichmonai.io.series import ImageSource

_LPS = np.diag([-1.0, -1.0, 1.0])


class Grid(NamedTuple):
    """Where the voxels of a volume lie.

    Attributes:
        shape: of its axes, as the file has them.
        steps: (3, 3), of each axis the step from index to index in mm, LPS, in a column.
        origin: (3,), of the first voxel in mm, LPS.
    """

    shape: Sequence[int]
    steps: NDArray[np.float64]
    origin: NDArray[np.float64]

    @classmethod
    def of_ras(cls, shape: Sequence[int], affine: NDArray[np.float64]) -> "Grid":
        """A grid by its 4x4 affine from index to RAS+ millimetres."""
        return cls(shape, _LPS @ affine[:3, :3], _LPS @ affine[:3, 3])


class VolumeFormat(Format):
    """A format of volumes in three dimensions, with one value a voxel."""

    kind = Kind.VOLUME

    @abstractmethod
    def grid(self, file: BinaryIO, source: ImageSource) -> Grid:
        """Read where the voxels lie.

        Args:
            file: at its beginning; gives only so much.
            source: where it is.

        Raises:
            Exception: of any kind, where it is no such header.
        """

    @abstractmethod
    def voxels(self, path: Path, source: ImageSource) -> Voxels:
        """Read the voxels of a file whose header was found good; arguments and errors are as `read`'s."""

    def read_headers(self, file: BinaryIO, source: ImageSource) -> list[ImageHeader]:
        """Read the header.

        Returns:
            It alone. Rows lie along the first axis, columns along the second, slices along the third of the file, with
            the third the one that runs most along the patient.

        Raises:
            HeadCTReadError: where it cannot be read, or is no scalar volume of three dimensions.
        """
        content: Any = BoundedReader(file, source)
        try:
            return [_header(self.grid(content, source), source)]
        except HeadCTReadError:
            raise
        except Exception as error:  # every library has its own errors for damaged files
            raise HeadCTReadError(f"{source} has no readable header ({first_line(error)}); copy it again.") from error

    def read(self, source: ImageSource, window: tuple[float, float] = (0.0, 0.0)) -> Voxels:
        """Read a volume in any orientation; the window has no part in it.

        Raises:
            HeadCTReadError: `UNREADABLE` where the header is damaged or not of one value a voxel in three dimensions,
                `BAD_GEOMETRY`, `TOO_LARGE` (by the header, before anything is allocated), `BURNED_IN` in colour, and
                `UNDECODABLE` where voxels are missing, more than the header says, damaged by the checksum of their
                compression, or no numbers.
        """
        with image_path(source) as path:
            with path.open("rb") as file:
                self.read_headers(file, source)
            return self.voxels(path, source)


def check_numbers(voxels: NDArray[Any], source: ImageSource) -> None:
    """Refuse voxels that are not finite.

    Raises:
        HeadCTReadError: `UNDECODABLE`.
    """
    # The extremes are not finite where any voxel is not.
    if not np.isfinite([voxels.min(), voxels.max()]).all():
        raise HeadCTReadError(
            f"{source} has voxels that are not numbers; HU are needed, so write it again.", Code.UNDECODABLE
        )


def undecodable(source: ImageSource, reason: str) -> HeadCTReadError:
    """The error of voxels that are damaged."""
    return HeadCTReadError(f"The voxels of {source} cannot be decoded ({reason}); copy it again.", Code.UNDECODABLE)


def _header(grid: Grid, source: ImageSource) -> ImageHeader:
    shape, steps, origin = _three(grid.shape, source), grid.steps, grid.origin
    lengths = np.linalg.norm(steps, axis=0)
    sound = np.isfinite(steps).all() and np.isfinite(origin).all() and np.isfinite(lengths).all()
    # Nearly parallel axes have no normal.
    if not sound or abs(np.linalg.det(steps)) < 1e-6 or abs(np.linalg.det(steps / lengths)) < 1e-6:
        raise HeadCTReadError(f"The geometry of {source} is not invertible; mend its header.", code=Code.BAD_GEOMETRY)
    affine = np.eye(4)
    affine[:3, :3] = _LPS @ steps
    # As reading turns it: slices are along the axis that is nearest to the patient's.
    axes = [int(axis) for axis in nib.orientations.io_orientation(affine)[:, 0]]
    row, column, slice_ = axes.index(1), axes.index(0), axes.index(2)
    check_size(str(source), shape[row], shape[column], shape[slice_])
    unit = steps / lengths
    return ImageHeader(
        source=source,
        study=str(source),
        series=str(source),
        kind=Kind.VOLUME,
        rows=shape[row],
        columns=shape[column],
        slices=shape[slice_],
        position=_vector(origin),
        orientation=(*_vector(unit[:, column]), *_vector(unit[:, row])),
        spacing=(float(lengths[row]), float(lengths[column])),
        slice_step=_vector(steps[:, slice_]),
    )


def _three(shape: Sequence[int], source: ImageSource) -> list[int]:
    """The three dimensions, without further ones of length 1."""
    found = [int(length) for length in shape[: MAX_DIMENSIONS + 1]]
    while len(found) > 3 and found[-1] == 1:
        found.pop()
    if len(found) != 3 or min(found) < 1:
        shown = " x ".join(str(length) if abs(length) < 2**63 else "..." for length in found)
        raise HeadCTReadError(
            f"{source} has the shape {shown}; a head CT volume has three dimensions and one value a voxel."
        )
    return found


def _vector(values: NDArray[np.float64]) -> Vector:
    return tuple(float(value) for value in values)
