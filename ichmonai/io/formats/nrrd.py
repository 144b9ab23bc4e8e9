"""NRRD volumes, with their voxels in one file or beside it."""

import re
from typing import BinaryIO

import numpy as np

from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.limits import MAX_DIMENSIONS, MAX_NRRD_LINE, MAX_TEXT_HEADER
from ichmonai.io.series import ImageSource
from ichmonai.io.volumes.itk_volume import ItkFormat
from ichmonai.io.volumes.text_headers import check_one_value, check_voxels_elsewhere, numbers, whole_numbers
from ichmonai.io.volumes.volume import Grid

_ENCODINGS = ("raw", "gzip", "gz")
_TO_LPS = {
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}


class Nrrd(ItkFormat):
    """NRRD."""

    name = "NRRD"
    suffixes = (".nrrd", ".nhdr")
    voxel_suffixes = (".raw", ".raw.gz")
    end = re.compile(rb"\r?\n\r?\n")
    packed = re.compile(rb"^encoding:[ \t]*gz", re.MULTILINE)

    def check_block(self, header: bytes, packed: bool) -> None:
        """Check what a header says of voxels in its own file: ITK believes the right things."""

    def grid(self, file: BinaryIO, source: ImageSource) -> Grid:
        """Read where the voxels lie."""
        lines = file.read(MAX_TEXT_HEADER).splitlines()
        if not lines or not lines[0].startswith(b"NRRD000"):
            raise ValueError("it is not NRRD")
        values: dict[str, str] = {}
        for line in lines[1:]:
            if not line.strip():  # the header ends here
                break
            if len(line) > MAX_NRRD_LINE and b":=" not in line and not line.startswith(b"#"):
                raise HeadCTReadError(
                    f"{source} has a line of {len(line)} characters in its header, more than any field needs; write it "
                    "again."
                )
            key, found, value = line.decode("ascii", "replace").partition(": ")
            if found and not key.startswith("#"):
                values[key.strip().lower().replace(" ", "")] = value.strip()
        if (encoding := values.get("encoding", "").lower()) not in _ENCODINGS:
            # On numbers as text that are no numbers, ITK ends the process.
            raise HeadCTReadError(f"{source} has its voxels encoded as {encoding[:16]!r}; write it as raw or gzip.")
        if "datafile" in values:
            check_voxels_elsewhere(values["datafile"], source)
        shape = whole_numbers(values["sizes"])
        if len(shape) > MAX_DIMENSIONS:  # of which there would be a matrix
            raise ValueError(f"it has {len(shape)} dimensions")
        if "spacedirections" in values:
            vectors = values["spacedirections"].split(")")
            check_one_value(1 if "none" not in values["spacedirections"] else shape[0], source)
            steps = np.array([numbers(one) for one in vectors if one.strip(" (") not in ("", "none")], float).T
        else:
            steps = np.diag(numbers(values.get("spacings", " ".join("1" * len(shape)))))
        origin = np.array(numbers(values["spaceorigin"]) if "spaceorigin" in values else [0.0] * 3)
        if signs := _TO_LPS.get(values.get("space", "").lower()):
            steps, origin = np.diag(signs) @ steps, np.diag(signs) @ origin
        return Grid(shape, steps, origin)


FORMAT = Nrrd()
