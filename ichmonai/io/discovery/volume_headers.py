"""Headers of volumes and of 8-bit slice images."""

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from PIL import Image

from ichmonai.errors import first_line
from ichmonai.io.discovery.bounded import BoundedReader
from ichmonai.io.discovery.header_checks import check_size
from ichmonai.io.discovery.headers import ImageHeader, Kind, Vector
from ichmonai.io.discovery.nibabel_headers import read_nibabel
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.series import ImageSource
from ichmonai.io.suffixes import METAIMAGE_SUFFIXES, NIBABEL_SUFFIXES, PICTURE_FORMATS, PICTURE_SUFFIXES

TEXT_HEADER = 65536
"""NRRD and MetaImage headers have a few hundred bytes."""
_MAX_DIMENSIONS = 16
_NRRD_LINE = 256
"""Characters of a field's line: ITK writes what it does not understand of longer ones beyond the end of its buffers."""
_NRRD_ENCODINGS = ("raw", "gzip", "gz")
_LPS = np.diag([-1.0, -1.0, 1.0])


def read_volume(file: BinaryIO, source: ImageSource, study: str) -> ImageHeader:
    """Read the header of one volume or slice image, by its suffix.

    Args:
        file: at its beginning.
        source: where it is.
        study: the path as given.

    Returns:
        Its header. Rows lie along the first axis, columns along the second, slices along the third of the file, with
        the third the one that runs most along the patient.

    Raises:
        HeadCTReadError: where it cannot be read, or is no scalar volume of three dimensions.
    """
    name = (source.member or source.path).lower()
    shape: Sequence[int]
    content: Any = BoundedReader(file, source)
    try:
        if name.endswith(PICTURE_SUFFIXES):
            return _picture(content, source, study)
        if name.endswith(NIBABEL_SUFFIXES):
            shape, affine = read_nibabel(content, source, name)
            steps, origin = _LPS @ affine[:3, :3], _LPS @ affine[:3, 3]
        elif name.endswith(METAIMAGE_SUFFIXES):
            shape, steps, origin = _metaimage(content, source)
        else:
            shape, steps, origin = _nrrd(content, source)
        return _volume(source, study, shape, steps, origin)
    except HeadCTReadError:
        raise
    except Image.DecompressionBombError as error:
        raise HeadCTReadError(
            f"{source} has more pixels than any slice ({first_line(error)}); give one slice.", Code.TOO_LARGE
        ) from error
    except Exception as error:  # every library has its own errors for damaged files
        raise HeadCTReadError(f"{source} has no readable header ({first_line(error)}); copy it again.") from error


def _volume(
    source: ImageSource, study: str, shape: Sequence[int], steps: np.ndarray, origin: np.ndarray
) -> ImageHeader:
    shape = _three(shape, source)
    lengths = np.linalg.norm(steps, axis=0)
    sound = np.isfinite(steps).all() and np.isfinite(origin).all() and np.isfinite(lengths).all()
    # Nearly parallel axes have no normal.
    if not sound or abs(np.linalg.det(steps)) < 1e-6 or abs(np.linalg.det(steps / lengths)) < 1e-6:
        raise HeadCTReadError(f"The geometry of {source} is not invertible; mend its header.", code=Code.BAD_GEOMETRY)
    # As `load_head_ct` turns it: slices are along the axis that is nearest to the patient's.
    axes = [
        int(axis) for axis in nib.orientations.io_orientation(np.diag([*np.diag(_LPS), 1.0]) @ _affine(steps))[:, 0]
    ]
    row, column, slice_ = axes.index(1), axes.index(0), axes.index(2)
    check_size(str(source), shape[row], shape[column], shape[slice_])
    unit = steps / lengths
    return ImageHeader(
        source=source,
        study=study,
        series=study,
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
    found = [int(length) for length in shape[: _MAX_DIMENSIONS + 1]]
    while len(found) > 3 and found[-1] == 1:
        found.pop()
    if len(found) != 3 or min(found) < 1:
        shown = " x ".join(str(length) if abs(length) < 2**63 else "..." for length in found)
        raise HeadCTReadError(
            f"{source} has the shape {shown}; a head CT volume has three dimensions and one value a voxel."
        )
    return found


def _affine(steps: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = steps
    return affine


def _vector(values: np.ndarray) -> Vector:
    return tuple(float(value) for value in values)


def _picture(file: BinaryIO, source: ImageSource, study: str) -> ImageHeader:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # too large is a finding
        with Image.open(file, formats=PICTURE_FORMATS) as image:
            width, height = image.size
            photometric = image.mode
    return ImageHeader(source, study, study, Kind.PICTURE, rows=height, columns=width, photometric=photometric, bits=8)


def _metaimage(file: BinaryIO, source: ImageSource) -> tuple[Sequence[int], np.ndarray, np.ndarray]:
    values: dict[str, str] = {}
    for line in file.read(TEXT_HEADER).splitlines():
        key, _, value = line.decode("ascii", "replace").partition("=")
        values[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":  # the last line; the voxels follow
            break
    (size,) = _whole(values["NDims"])
    if not 1 <= size <= _MAX_DIMENSIONS:
        raise ValueError(f"NDims is {size}")
    _one_value(_whole(values.get("ElementNumberOfChannels", "1"))[0], source)
    if values["ElementDataFile"].upper() != "LOCAL":
        _voxels_elsewhere(values["ElementDataFile"], source)
    spacing = _floats(values.get("ElementSpacing", values.get("ElementSize", " ".join("1" * size))))[:3]
    matrix = values.get("TransformMatrix", values.get("Rotation", values.get("Orientation")))
    directions = np.reshape(_floats(matrix), (size, size))[:3, :3] if matrix else np.eye(3)
    origin = _floats(values.get("Offset", values.get("Position", values.get("Origin", "0 " * size))))[:3]
    return _whole(values["DimSize"]), directions.T * np.asarray(spacing), np.asarray(origin)


def _nrrd(file: BinaryIO, source: ImageSource) -> tuple[Sequence[int], np.ndarray, np.ndarray]:
    lines = file.read(TEXT_HEADER).splitlines()
    if not lines or not lines[0].startswith(b"NRRD000"):
        raise ValueError("it is not NRRD")
    values: dict[str, str] = {}
    for line in lines[1:]:
        if not line.strip():  # the header ends here
            break
        if len(line) > _NRRD_LINE and b":=" not in line and not line.startswith(b"#"):
            raise HeadCTReadError(
                f"{source} has a line of {len(line)} characters in its header, more than any field needs; write it "
                "again."
            )
        key, found, value = line.decode("ascii", "replace").partition(": ")
        if found and not key.startswith("#"):
            values[key.strip().lower().replace(" ", "")] = value.strip()
    if (encoding := values.get("encoding", "").lower()) not in _NRRD_ENCODINGS:
        # On numbers as text that are no numbers, ITK ends the process.
        raise HeadCTReadError(f"{source} has its voxels encoded as {encoding[:16]!r}; write it as raw or gzip.")
    if "datafile" in values:
        _voxels_elsewhere(values["datafile"], source)
    shape = _whole(values["sizes"])
    if len(shape) > _MAX_DIMENSIONS:  # of which there would be a matrix
        raise ValueError(f"it has {len(shape)} dimensions")
    if "spacedirections" in values:
        vectors = [_floats(one) for one in values["spacedirections"].split(")") if one.strip(" (") not in ("", "none")]
        _one_value(1 if "none" not in values["spacedirections"] else shape[0], source)
        steps = np.array(vectors, float).T
    else:
        steps = np.diag(_floats(values.get("spacings", " ".join("1" * len(shape)))))
    origin = np.array(_floats(values["spaceorigin"]) if "spaceorigin" in values else [0.0] * 3)
    space = values.get("space", "left-posterior-superior").lower()
    if space in ("right-anterior-superior", "ras"):
        steps, origin = _LPS @ steps, _LPS @ origin
    elif space in ("left-anterior-superior", "las"):
        flip = np.diag([1.0, -1.0, 1.0])
        steps, origin = flip @ steps, flip @ origin
    return shape, steps, origin


def _whole(text: str) -> list[int]:
    try:
        return [int(value) for value in text.split()]
    except ValueError:  # which would quote the header
        raise ValueError("it has words where whole numbers belong") from None


def _floats(text: str) -> list[float]:
    try:
        return [float(value) for value in text.replace("(", " ").replace(")", " ").replace(",", " ").split()]
    except ValueError:
        raise ValueError("it has words where numbers belong") from None


def _one_value(count: int, source: ImageSource) -> None:
    if count != 1:
        raise HeadCTReadError(f"{source} has {count} values a voxel; a head CT volume has one.")


def _voxels_elsewhere(name: str, source: ImageSource) -> None:
    """Voxels in a file of their own: it has to be there, beside the header."""
    file = PurePath(name.replace("\\", "/"))
    if source.member or file.is_absolute() or ".." in file.parts:
        raise HeadCTReadError(
            f"{source} keeps its voxels in another file, which is not followed here; "
            "write header and voxels into one file."
        )
    if not (Path(source.path).parent / file).is_file():
        raise HeadCTReadError(
            f"{source} keeps its voxels in {file}, which is not beside it; copy both, or write them into one file."
        )
