"""Lossless JPEG 2000 coded once more: a damaged code-block decodes to noise that would have taken other bytes.

Arithmetic coding has no checksum, and OpenJPEG decodes whatever is there. But lossless coding gives each code-block one
length, whoever coded it, to within the few bytes in which encoders end it.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ichmonai.io.formats.dicom.pixels.jpeg2000_packets import Coding, block_lengths

_ENDING = 4
"""Bytes in which encoders differ; 2 were seen."""
_MOST = 0.8
"""Share of code-blocks that must agree; where they do not, the image was coded with loss in the reversible way."""


def odd_block(frame: bytes, stored: NDArray[Any]) -> str:
    """Find code-blocks whose length is not what their pixels take.

    It takes about twice the time of decoding.

    Args:
        frame: a JPEG 2000 codestream, checked by `check_codestream`.
        stored: its pixels, (Rows, Columns).

    Returns:
        Part of a sentence; empty where all agree, or where it cannot be told.
    """
    try:
        found = block_lengths(frame)
    except ValueError as error:
        return f"JPEG 2000 data of which {error}".replace("of which their", "whose")
    if found is None or not found[0].lossless:
        return ""
    coding, lengths = found
    again = block_lengths(_coded(stored, coding))
    if again is None or len(again[1]) != len(lengths):
        return ""
    odd = np.abs(np.subtract(lengths, again[1])) > _ENDING
    if not odd.any() or odd.mean() > 1 - _MOST:
        return ""
    return f"{int(odd.sum())} of {len(odd)} JPEG 2000 code-blocks that do not have the length of what they show"


def _coded(stored: NDArray[Any], coding: Coding) -> bytes:
    # What the wavelet transform sees has its middle at 0 (annex G.1), as have unsigned pixels of 16 bits here.
    middle = 1 << coding.precision - 1
    values = stored.astype(np.int64) & (2 * middle - 1)
    values = (values ^ middle) - middle if coding.signed else values - middle
    stream = io.BytesIO()
    Image.fromarray((values + (1 << 15)).astype(np.uint16)).save(
        stream,
        "JPEG2000",
        no_jp2=True,
        irreversible=False,
        num_resolutions=coding.levels + 1,
        codeblock_size=coding.block,
    )
    return stream.getvalue()
