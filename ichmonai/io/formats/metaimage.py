"""MetaImage volumes, with their voxels in one file or beside it."""

import re
from typing import BinaryIO

import numpy as np

from ichmonai.io.limits import MAX_DIMENSIONS, MAX_TEXT_HEADER
from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.itk_volume import ItkFormat
from ichmonai.io.volumes.text_headers import check_one_value, check_voxels_elsewhere, numbers, whole_numbers
from ichmonai.io.volumes.volume import Grid


class MetaImage(ItkFormat):
    """MetaImage."""

    name = "MetaImage"
    suffixes = (".mha", ".mhd")
    voxel_suffixes = (".raw", ".zraw")
    end = re.compile(rb"^ElementDataFile[ \t]*=[ \t]*[^\r\n]*?[ \t]*\r?\n", re.MULTILINE)
    packed = re.compile(rb"^CompressedData[ \t]*=[ \t]*[Tt1]", re.MULTILINE)

    def check_block(self, header: bytes, packed: bool) -> None:
        """Check what a header says of voxels in its own file."""
        if packed and b"CompressedDataSize" not in header:
            raise ValueError("it lacks CompressedDataSize")

    def grid(self, file: BinaryIO, source: ImageSource) -> Grid:
        """Read where the voxels lie."""
        values: dict[str, str] = {}
        for line in file.read(MAX_TEXT_HEADER).splitlines():
            key, _, value = line.decode("ascii", "replace").partition("=")
            values[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":  # the last line; the voxels follow
                break
        (size,) = whole_numbers(values["NDims"])
        if not 1 <= size <= MAX_DIMENSIONS:
            raise ValueError(f"NDims is {size}")
        check_one_value(whole_numbers(values.get("ElementNumberOfChannels", "1"))[0], source)
        if values["ElementDataFile"].upper() != "LOCAL":
            check_voxels_elsewhere(values["ElementDataFile"], source)
        spacing = numbers(values.get("ElementSpacing", values.get("ElementSize", " ".join("1" * size))))[:3]
        matrix = values.get("TransformMatrix", values.get("Rotation", values.get("Orientation")))
        directions = np.reshape(numbers(matrix), (size, size))[:3, :3] if matrix else np.eye(3)
        origin = numbers(values.get("Offset", values.get("Position", values.get("Origin", "0 " * size))))[:3]
        return Grid(whole_numbers(values["DimSize"]), directions.T * np.asarray(spacing), np.asarray(origin))


FORMAT = MetaImage()
