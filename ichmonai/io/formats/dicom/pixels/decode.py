"""Stored pixel values of DICOM CT images, decoded only after their header has been believed."""

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
    RLELossless,
)

from ichmonai.io.formats.dicom.pixels.codestream import check_codestream
from ichmonai.io.formats.dicom.pixels.decoder_output import listening
from ichmonai.io.formats.dicom.pixels.fragments import check_offsets
from ichmonai.io.formats.dicom.pixels.recoding import odd_block
from ichmonai.io.formats.dicom.pixels.rle import check_rle
from ichmonai.io.jpeg_scans import check_scans

if int(pydicom.__version_info__[0]) >= 3:
    from pydicom.encaps import generate_frames
    from pydicom.pixels import get_decoder
    from pydicom.pixels.utils import iter_pixels

    def available_plugins(syntax: UID) -> tuple[str, ...]:
        """The plugins of pydicom that decode a transfer syntax here."""
        return get_decoder(syntax).available_plugins
else:
    from ichmonai.io.formats.dicom.pixels.pydicom2 import available_plugins, generate_frames, iter_pixels  # type: ignore[assignment]

_JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.57")  # pydicom 2 has another syntax under that name
_CODESTREAMS = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
ROW_BY_ROW = frozenset({_JPEG_LOSSLESS, JPEGLosslessSV1})
"""Transfer syntaxes whose decoder goes from pixel to pixel along a row."""
# One decoder each, so that an answer does not depend on what else is installed. Pillow's libjpeg-turbo and OpenJPEG
# refuse damaged frames on which GDCM, pydicom's first choice, ends the process. GDCM does what Pillow cannot.
_PLUGINS = {
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pillow"),
    **dict.fromkeys((_JPEG_LOSSLESS, JPEGLosslessSV1, *JPEGLSTransferSyntaxes), "gdcm"),
}


def frame_count(dataset: Dataset) -> int:
    """NumberOfFrames, 1 where it is missing.

    Raises:
        ValueError: where it is no positive number.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    if count < 1:
        raise ValueError(f"NumberOfFrames is {count}")
    return count


def read_pixels(dataset: Dataset, indices: Sequence[int]) -> Iterator[tuple[NDArray[Any], str]]:
    """Decode frames one after the other.

    Compressed frames have to agree with Rows and Columns and to be complete. So have uncompressed pixels: what is
    missing is never filled up, and a row too many says that Rows or Columns is wrong.

    Args:
        dataset: with its pixel data; grey, and not larger than `check_size` allows.
        indices: of the frames, ascending.

    Yields:
        Stored values (Rows, Columns) of each frame, and part of a sentence on what its code is suspected of, if
        anything.

    Raises:
        Exception: of many kinds, on pixels that are damaged or compressed in a way that nothing installed decodes.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        coded = _check_frames(dataset, set(indices))
    else:
        _check_length(dataset)
    with warnings.catch_warnings():
        # pydicom's, of padding, unused bits and spare fragments: what changes a pixel was checked.
        warnings.simplefilter("ignore")
        frames = iter_pixels(
            dataset,
            indices=indices,
            raw=True,
            decoding_plugin=_PLUGINS.get(syntax, ""),
            allow_excess_frames=False,
        )
        if not syntax.is_encapsulated:
            yield from ((frame, "") for frame in frames)
            return
        for index, frame in zip(indices, listening(frames), strict=True):
            yield frame, odd_block(coded[index], frame) if syntax in JPEG2000TransferSyntaxes else ""


def can_decode(syntax: UID) -> bool:
    """Whether something installed decodes a transfer syntax: where it fails all the same, the pixels are damaged."""
    try:
        plugins = available_plugins(syntax)
    except NotImplementedError:  # pydicom knows no decoder at all
        return False
    return _PLUGINS[syntax] in plugins if syntax in _PLUGINS else bool(plugins)


def _check_length(dataset: Dataset) -> None:
    row = dataset.Columns * (dataset.BitsAllocated // 8)
    excess = len(dataset.PixelData) - row * dataset.Rows * frame_count(dataset)
    if excess >= row > 0:  # writers pad by a few bytes
        raise ValueError(f"they have {excess} bytes more than Rows and Columns say")


def _check_frames(dataset: Dataset, indices: set[int]) -> dict[int, bytes]:
    syntax = dataset.file_meta.TransferSyntaxUID
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    count = frame_count(dataset)
    check_offsets(dataset.PixelData, count)
    frames = generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets)
    found = {}
    for index, frame in enumerate(frames):
        if index >= count:
            raise ValueError(f"they have more than the {count} frames that NumberOfFrames says")
        if index not in indices:
            continue
        found[index] = frame
        if syntax == RLELossless:
            check_rle(frame, dataset.Rows, dataset.Columns, dataset.BitsAllocated)
        elif syntax in _CODESTREAMS:
            check_codestream(frame, dataset.Rows, dataset.Columns)
            if syntax in JPEGTransferSyntaxes:
                check_scans(frame)
    if len(found) < len(indices):
        raise ValueError(f"{len(indices) - len(found)} of {count} frames are missing")
    return found
