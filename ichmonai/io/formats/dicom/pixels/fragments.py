"""Encapsulated pixel data (PS3.5 A.4): its items and its table of offsets."""

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_HEADER = 8


def check_offsets(pixels: bytes, frames: int) -> None:
    """Check that items follow one another to the end, and that the Basic Offset Table, if any, names frames among them.

    Args:
        pixels: the value of PixelData.
        frames: NumberOfFrames.

    Raises:
        ValueError: where they do not.
    """
    starts, at = [], 0
    while pixels[at : at + 4] == _ITEM:
        starts.append(at)
        at += _HEADER + int.from_bytes(pixels[at + 4 : at + _HEADER], "little")
    if at > len(pixels) or pixels[at : at + 4] not in (b"", _DELIMITER) or len(starts) < 2:
        raise ValueError("their fragments are damaged or cut off")
    table = pixels[_HEADER : starts[1]]
    if not table:
        return
    offsets = [int.from_bytes(table[n : n + 4], "little") + starts[1] for n in range(0, len(table), 4)]
    if len(offsets) != frames or offsets != sorted(set(offsets)) or offsets[0] != starts[1]:
        raise ValueError(f"their table of offsets does not name {frames} frames")
    if not set(offsets) <= set(starts[1:]):
        raise ValueError("their table of offsets does not agree with their fragments")
