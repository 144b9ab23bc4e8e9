"""What a file format is: how its files are known, what their headers say, and how their voxels become HU.

A format is one module in `ichmonai.io.formats`. Modules that decode (ITK, decoders of DICOM) are imported where they
are needed: processes that read headers do without.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ichmonai.io.findings import Finding
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.series import ImageSource

START = 1024
"""Bytes that tell what a file is."""


class Voxels(NamedTuple):
    """An image as it was read.

    Attributes:
        hu: float32, not below -1024, a volume (H, W, S) or a slice (H, W). With geometry, H runs to posterior, W to the
            patient's left, S to superior.
        affine: 4x4 from index to RAS+ millimetres; None where the place in the patient is not known.
        original_affine: that of the file, whose axes may run otherwise.
        findings: what was seen while reading.
        uids: SOPInstanceUID of each slice, where there are any.
        thickness: SliceThickness in mm; None where the format has none.
        frames: number of each slice in its file, from 1, where files have several.
        places: of each slice along the normal in mm, where the format says it of each.
    """

    hu: NDArray[np.float32]
    affine: NDArray[np.float64] | None = None
    original_affine: NDArray[np.float64] | None = None
    findings: Sequence[Finding] = ()
    uids: Sequence[str] = ()
    thickness: float | None = None
    frames: Sequence[int] = ()
    places: Sequence[float] = ()


class Format(ABC):
    """One format of head CT files.

    Attributes:
        name: as users know it.
        kind: what one of its files is.
        suffixes: of the names of its files, in lower case.
        voxel_suffixes: of files beside them that hold their voxels.
        orphan: what such a file is without its header, in a few words.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    suffixes: ClassVar[tuple[str, ...]]
    voxel_suffixes: ClassVar[tuple[str, ...]] = ()
    orphan: ClassVar[str] = "voxels without a header"

    def begins(self, start: bytes) -> bool:
        """Whether a file of any name is of this format, by its first `START` bytes."""
        return False

    @abstractmethod
    def read_headers(self, file: BinaryIO, source: ImageSource) -> Sequence[ImageHeader]:
        """Read what the header says, of one image or of each frame, and never pixels.

        Args:
            file: at its beginning, seekable.
            source: where it is.

        Raises:
            HeadCTReadError: where it cannot be read, or no answer is given to it.
        """

    @abstractmethod
    def read(self, source: ImageSource, window: tuple[float, float]) -> Voxels:
        """Read an image into HU.

        Args:
            source: where it is.
            window: level and width in HU that 0..255 of an 8-bit image stands for.

        Raises:
            HeadCTReadError: where it cannot be read.
        """

    def other_files(self, source: ImageSource) -> Sequence[Path]:
        """The files beside an image that are read with it, whether they are there or not."""
        return ()

    def header_of(self, voxels: Path) -> Path | None:
        """The image that a user means who names its voxels, or None."""
        return None
