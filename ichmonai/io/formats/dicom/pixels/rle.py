"""RLE of DICOM (PS3.5 annex G): a frame has no checksum, but its lengths have to agree in many places."""

import numpy as np

_HEADER = 64
_NO_OP = 128
_MOST_ROWS = 0.9
"""Share of rows that end where a run ends, from which on the writer is one that keeps rows apart (as G.3.1 asks)."""


def check_rle(frame: bytes, rows: int, columns: int, bits: int) -> None:
    """Check the lengths of one grey RLE frame: a decoder fills up what is missing and drops what is too much.

    Args:
        frame: the compressed frame.
        rows: Rows of the image.
        columns: Columns of the image.
        bits: BitsAllocated.

    Raises:
        ValueError: where it is damaged, cut off or of another size.
    """
    header = np.frombuffer(frame[:_HEADER].ljust(_HEADER, b"\xff"), "<u4").astype(np.int64)
    count, starts = int(header[0]), header[1:]
    if count != bits // 8:
        raise ValueError(f"they have {count} segments of RLE, not {bits // 8}")
    ends = [*starts[1:count], len(frame)]
    if starts[0] != _HEADER or any(end <= start for start, end in zip(starts[:count], ends, strict=True)):
        raise ValueError("their segments of RLE lie in no order")
    if starts[count:].any():
        raise ValueError("their header of RLE is damaged")
    for start, end in zip(starts[:count], ends, strict=True):
        _check_segment(frame[start:end], rows, columns)


def _check_segment(segment: bytes, rows: int, columns: int) -> None:
    size = rows * columns
    at = filled = 0
    reached = []
    try:
        while filled < size:
            control = segment[at]
            if control > _NO_OP:
                at += 2
                filled += 257 - control
            elif control < _NO_OP:
                at += control + 2
                filled += control + 1
            else:
                at += 1
            reached.append(filled)
    except IndexError:
        raise ValueError("a segment of RLE is too short") from None
    if at > len(segment):
        raise ValueError("a segment of RLE is too short")
    if filled > size or segment[at:].strip(b"\0\x80"):
        raise ValueError(f"a segment of RLE is longer than {rows} x {columns} pixels")
    apart = np.isin(np.arange(columns, size + 1, columns), reached)
    if _MOST_ROWS <= apart.mean() < 1:
        raise ValueError(f"row {int(apart.argmin()) + 1} of RLE does not end where the others do")
