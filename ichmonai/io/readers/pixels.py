"""Stored pixel values of DICOM CT images, decoded only after their header has been believed."""

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from ichmonai.io.discovery.header_checks import MAX_SIDE, MAX_VOXELS
from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.readers.codestream import check_codestream

if int(pydicom.__version_info__[0]) >= 3:
    from pydicom.encaps import generate_frames
    from pydicom.pixels.utils import iter_pixels
else:
    from ichmonai.io.readers.pydicom2 import generate_frames, iter_pixels  # type: ignore[assignment]

_JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.57")  # pydicom 2 has another syntax under that name
_CODESTREAMS = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
# One decoder each, so that an answer does not depend on what else is installed. Pillow's libjpeg-turbo and OpenJPEG
# refuse damaged frames on which GDCM, pydicom's first choice, ends the process. GDCM does what Pillow cannot.
_PLUGINS = {
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pillow"),
    **dict.fromkeys((_JPEG_LOSSLESS, JPEGLosslessSV1, *JPEGLSTransferSyntaxes), "gdcm"),
}


_RLE_PADDING = re.compile(r"RLE segment .* (\d+) vs\. (\d+) bytes")
"""What pydicom warns of where a segment of RLE pixels is longer than Rows and Columns say."""


def frame_count(dataset: Dataset) -> int:
    """NumberOfFrames, 1 where it is missing.

    Raises:
        ValueError: where it is no positive number.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    if count < 1:
        raise ValueError(f"NumberOfFrames is {count}")
    return count


def check_size(name: str, rows: int, columns: int, slices: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated.

    Raises:
        HeadCTReadError: `TOO_LARGE`.
    """
    if max(rows, columns) > MAX_SIDE or max(rows * columns, 1) * slices > MAX_VOXELS:
        raise HeadCTReadError(
            f"{name} has {slices} slices of {rows} x {columns} pixels; at most {MAX_SIDE} a side and {MAX_VOXELS} in "
            "all are read, so give a smaller reconstruction.",
            Code.TOO_LARGE,
        )


def read_pixels(dataset: Dataset, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decode frames one after the other.

    Compressed frames have to agree with Rows and Columns and to be complete. So have uncompressed pixels: what is
    missing is never filled up, and a row too many says that Rows or Columns is wrong.

    Args:
        dataset: with its pixel data; grey, and not larger than `check_size` allows.
        indices: of the frames, ascending.

    Yields:
        Stored values (Rows, Columns) of each frame.

    Raises:
        Exception: of many kinds, on pixels that are damaged or compressed in a way that nothing installed decodes.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _CODESTREAMS:
        _check_frames(dataset, set(indices))
    elif not syntax.is_encapsulated:
        _check_length(dataset)
    with warnings.catch_warnings(record=True) as told:
        # Of padding, unused bits and spare fragments: but for one, none changes a pixel.
        warnings.simplefilter("always")
        for frame in iter_pixels(
            dataset,
            indices=indices,
            raw=True,
            decoding_plugin=_PLUGINS.get(syntax, ""),
            allow_excess_frames=False,
        ):
            for warning in told:
                if (lengths := _RLE_PADDING.search(str(warning.message))) is not None:
                    _check_excess(int(lengths[1]) - int(lengths[2]), dataset.Columns)
            told.clear()
            yield frame


def _check_length(dataset: Dataset) -> None:
    row = dataset.Columns * (dataset.BitsAllocated // 8)
    _check_excess(len(dataset.PixelData) - row * dataset.Rows * frame_count(dataset), row)


def _check_excess(excess: int, row: int) -> None:
    if excess >= row > 0:  # writers pad by a few bytes
        raise ValueError(f"they have {excess} bytes more than Rows and Columns say")


def _check_frames(dataset: Dataset, indices: set[int]) -> None:
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    count = frame_count(dataset)
    frames = generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets)
    found = 0
    for index, frame in enumerate(frames):
        if index in indices:
            check_codestream(frame, dataset.Rows, dataset.Columns)
            found += 1
    if found < len(indices):
        raise ValueError(f"{len(indices) - found} of {count} frames are missing")
