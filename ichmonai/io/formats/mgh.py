"""MGH, the volumes of FreeSurfer."""

from collections.abc import Sequence
from typing import Any

import nibabel as nib

from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.nibabel_volume import NibabelFormat


class Mgh(NibabelFormat):
    """MGH, packed or not."""

    name = "MGH"
    suffixes = (".mgz", ".mgh", ".mgh.gz")

    def image_class(self, start: bytes) -> Any:
        """Class of nibabel that reads a file."""
        return nib.MGHImage

    def shape_and_affine(self, kind: Any, start: bytes, source: ImageSource) -> tuple[Sequence[int], Any]:
        """Parse a header."""
        header = kind.header_class(start[:90], check=False)
        if header["version"] != 1:
            raise ValueError("it is not MGH")
        return header.get_data_shape(), header.get_affine()


FORMAT = Mgh()
