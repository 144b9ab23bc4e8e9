"""DICOM CT images, of one frame or many."""

import gzip
from collections.abc import Sequence
from typing import Any, BinaryIO

from ichmonai.io.files.archives import size_of
from ichmonai.io.format import Format, Voxels
from ichmonai.io.formats.dicom.files import PACKED, SUFFIXES, is_dicom_start
from ichmonai.io.formats.dicom.headers import read_dicom
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.series import ImageSource


class Dicom(Format):
    """DICOM Part 10 files, and what is left of them; they are known by their first bytes as well."""

    name = "DICOM"
    kind = Kind.DICOM
    suffixes = SUFFIXES

    def begins(self, start: bytes) -> bool:
        """Whether a file begins like DICOM."""
        return is_dicom_start(start)

    def read_headers(self, file: BinaryIO, source: ImageSource) -> Sequence[ImageHeader]:
        """Read one header, or one for each frame of an image with functional groups."""
        stream: Any = gzip.GzipFile(fileobj=file) if source.name.endswith(PACKED) else file
        return read_dicom(stream, source, size_of(source))

    def read(self, source: ImageSource, window: tuple[float, float] = (0.0, 0.0)) -> Voxels:
        """Read one image or frame as a slice, several frames as a volume; the window has no part in it."""
        from ichmonai.io.formats.dicom.stack import read_image  # decoders, which headers do without

        return read_image(source)

    def read_series(self, sources: Sequence[ImageSource]) -> Voxels:
        """Read the images and frames of one series, in any order, as a volume."""
        from ichmonai.io.formats.dicom.stack import read_series

        return read_series(sources)


FORMAT = Dicom()
