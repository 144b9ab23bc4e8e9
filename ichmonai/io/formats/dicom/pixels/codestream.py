"""What compressed pixels say of themselves, read before a decoder written in C is trusted with them."""

from collections.abc import Iterator

_SOI, _SOS, _EOI = b"\xff\xd8", 0xDA, b"\xff\xd9"
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
"""SOF0 to SOF3 of JPEG (ISO 10918-1 table B.1) and SOF55 of JPEG-LS (ISO 14495-1 annex C)."""
_SOC_SIZ = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream (ISO 15444-1 annex A)."""
_SOT = b"\xff\x90"
_TRAILER = 64
"""Bytes in which the end marker is looked for; fragments are padded to even length, by some writers with more."""


def check_codestream(frame: bytes, rows: int, columns: int) -> None:
    """Check one JPEG, JPEG-LS or JPEG 2000 frame against its header: decoders otherwise crash, or fill up in silence.

    Args:
        frame: the compressed frame.
        rows: Rows of the image.
        columns: Columns of the image.

    Raises:
        ValueError: where it is damaged, cut off, of another size or not grey.
    """
    if frame.startswith(_SOC_SIZ):
        found = _jpeg2000_shape(frame)
    elif frame.startswith(_SOI):
        found = _jpeg_shape(frame)
    else:
        raise ValueError("the compressed pixels have no beginning")
    if found != (rows, columns, 1):
        raise ValueError(f"the compressed pixels are {found[0]} x {found[1]} x {found[2]}, not {rows} x {columns} x 1")
    # All three end alike, and no marker can stand inside their data.
    if _EOI not in frame[-_TRAILER:]:
        raise ValueError("the compressed pixels are cut off")
    if frame.startswith(_SOC_SIZ):
        _follow_tile_parts(frame)


def _jpeg2000_shape(frame: bytes) -> tuple[int, int, int]:
    width, height, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    return height - top, width - left, int.from_bytes(frame[40:42], "big")


def _follow_tile_parts(frame: bytes) -> None:
    """Go from tile-part to tile-part (ISO 15444-1 A.4.2): their lengths must lead to the end marker."""
    at = frame.find(_SOT, len(_SOC_SIZ))
    while frame[at : at + 2] == _SOT and at >= 0:
        length = int.from_bytes(frame[at + 6 : at + 10], "big")
        if length == 0:  # the last one: up to the end
            return
        at += max(length, 14)
    if frame[at : at + 2] != _EOI or at < 0:
        raise ValueError("the tile-parts of the compressed pixels do not lead to their end")


def _jpeg_shape(frame: bytes) -> tuple[int, int, int]:
    for marker, segment in _segments(frame):
        if marker in _FRAME_HEADERS:
            if len(segment) < 6 or not 2 <= segment[0] <= 16:
                break
            return int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big"), segment[5]
    raise ValueError("the compressed pixels have a damaged header")


def _segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker segments from SOI to SOS; a frame header is handed on only where all of them are whole."""
    found = []
    at = len(_SOI)
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        found.append((marker, frame[at + 4 : at + 2 + length]))
        if marker == _SOS:
            yield from found
            return
        at += 2 + length
