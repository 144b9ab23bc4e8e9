"""Packets of a JPEG 2000 codestream (ISO 15444-1 annex B): how many bytes each code-block takes."""

import math
from dataclasses import dataclass, field

_COD, _SOT, _SOD, _EOC, _SOP, _EPH = 0xFF52, 0xFF90, 0xFF93, 0xFFD9, b"\xff\x91", b"\xff\x92"
_UNREAD = {0xFF53, 0xFF5F, 0xFF60, 0xFF61}
"""COC, POC, PPM and PPT: rare, and not read here."""


@dataclass(frozen=True)
class Coding:
    """How an image of one component and one tile is coded.

    Attributes:
        precision: bits of a pixel.
        signed: whether pixels have a sign.
        levels: of the wavelet transform.
        block: width and height of a code-block.
        lossless: whether the reversible transform is used.
    """

    precision: int
    signed: bool
    levels: int
    block: tuple[int, int]
    lossless: bool


def block_lengths(frame: bytes) -> tuple[Coding, list[int]] | None:
    """Read the headers of all packets.

    Args:
        frame: a codestream of one component, whose tile-parts lead to its end.

    Returns:
        How it is coded and the bytes of each code-block, in the order of the standard; None where it is coded in a way
        that is not read here: in several tiles, with precincts, or with other than plain arithmetic coding.

    Raises:
        ValueError: where the packets do not fill the codestream.
    """
    if (parts := _parts(frame)) is None:
        return None
    width, height, cod, body = parts
    if len(cod) < 10 or cod[0] & 1 or cod[8] or cod[5] > 32:
        return None
    precision = frame[42]
    block = 4 << cod[6], 4 << cod[7]
    coding = Coding((precision & 127) + 1, precision > 127, cod[5], block, cod[9] == 1)
    resolutions = _resolutions(width, height, coding)
    layers = int.from_bytes(cod[2:4], "big")
    order = [(r, layer) for r in range(len(resolutions)) for layer in range(layers)]
    if cod[1] == 0:
        order.sort(key=lambda one: one[1])  # by layers first
    packets = _Packets(body, bool(cod[0] & 4))
    try:
        for r, layer in order:
            packets.read(resolutions[r], layer)
    except IndexError:
        raise ValueError("their packets are cut off") from None
    if packets.at != len(body):
        raise ValueError("their packets do not fill the codestream")
    return coding, [length for bands in resolutions for band in bands for length in band.lengths]


def _parts(frame: bytes) -> tuple[int, int, bytes, bytes] | None:
    """Width, height, the coding style (COD) and the packets of the tile."""
    sizes = [int.from_bytes(frame[at : at + 4], "big") for at in range(8, 40, 4)]
    width, height, *origin, tile_width, tile_height, left, top = sizes
    if any((*origin, left, top)) or tile_width < width or tile_height < height or frame[41] != 1:
        return None
    at, cod, body = 2, b"", b""
    while (marker := _two(frame, at)) != _EOC:
        if marker in _UNREAD or at >= len(frame):
            return None
        if marker == _SOT:
            end = at + (int.from_bytes(frame[at + 6 : at + 10], "big") or len(frame) - at - 2)
            at += 12
            while (marker := _two(frame, at)) != _SOD:
                if marker in {*_UNREAD, _COD} or at >= end:
                    return None
                at += 2 + _two(frame, at + 2)
            body += frame[at + 2 : end]
            at = end
            continue
        if marker == _COD:
            cod = frame[at + 4 : at + 2 + _two(frame, at + 2)]
        at += 2 + _two(frame, at + 2)
    return width, height, cod, body


def _two(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "big")


class _TagTree:
    """Values of code-blocks, read as far as they are asked for (B.10.2)."""

    def __init__(self, width: int, height: int) -> None:
        self.sizes = [(width, height)]
        while self.sizes[-1] != (1, 1):
            width, height = -(-width // 2), -(-height // 2)
            self.sizes.append((width, height))
        self.values = [[0] * (w * h) for w, h in self.sizes]
        self.known = [[False] * (w * h) for w, h in self.sizes]

    def below(self, packets: "_Packets", x: int, y: int, limit: int) -> bool:
        """Read as much as tells whether the value of a leaf is below a limit."""
        least = 0
        for level in reversed(range(len(self.sizes))):
            at = (y >> level) * self.sizes[level][0] + (x >> level)
            values, known = self.values[level], self.known[level]
            values[at] = max(values[at], least)
            while values[at] < limit and not known[at]:
                if packets.bit():
                    known[at] = True
                else:
                    values[at] += 1
            least = values[at]
        return self.known[0][at] and least < limit


@dataclass
class _Band:
    columns: int
    rows: int
    lengths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        count = self.columns * self.rows
        self.lengths, self.bits, self.seen = [0] * count, [3] * count, [False] * count
        if count:
            self.included, self.planes = (_TagTree(self.columns, self.rows) for _ in range(2))


def _resolutions(width: int, height: int, coding: Coding) -> list[list[_Band]]:
    """The bands of each resolution, from the coarsest (equation B-15)."""

    def blocks(size: int, level: int, high: bool, block: int) -> int:
        shift = 1 << level - 1 if high else 0
        return math.ceil(math.ceil((size - shift) / (1 << level)) / block)

    def band(level: int, right: bool, below: bool) -> _Band:
        columns = blocks(width, level, right, coding.block[0])
        rows = blocks(height, level, below, coding.block[1])
        return _Band(columns, rows) if columns > 0 and rows > 0 else _Band(0, 0)

    n = coding.levels
    high = [[band(level, True, False), band(level, False, True), band(level, True, True)] for level in range(n, 0, -1)]
    return [[band(n, False, False)], *high]


class _Packets:
    """Reads the packets of a tile one after the other (B.10)."""

    def __init__(self, body: bytes, has_end: bool) -> None:
        self.body, self.has_end = body, has_end
        self.at = self.left = self.byte = 0

    def bit(self) -> int:
        if not self.left:
            self.left = 7 if self.byte == 0xFF else 8
            self.byte = self.body[self.at]
            self.at += 1
        self.left -= 1
        return self.byte >> self.left & 1

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.bit()
        return value

    def read(self, bands: list[_Band], layer: int) -> None:
        if self.body[self.at : self.at + 2] == _SOP:
            self.at += 6
        self.left = self.byte = 0
        lengths = []
        if self.bit():
            for band in bands:
                for at in range(len(band.lengths)):
                    if self._is_included(band, at, layer):
                        lengths.append((band, at, self._length(band, at)))
        if self.byte == 0xFF:
            self.at += 1  # a byte of stuffing
        if self.has_end and self.body[self.at : self.at + 2] == _EPH:
            self.at += 2
        for band, at, length in lengths:
            band.lengths[at] += length
            self.at += length

    def _is_included(self, band: _Band, at: int, layer: int) -> bool:
        if band.seen[at]:
            return bool(self.bit())
        y, x = divmod(at, band.columns)
        if not band.included.below(self, x, y, layer + 1):
            return False
        band.seen[at] = True
        limit = 1
        while not band.planes.below(self, x, y, limit):
            limit += 1
            if limit > 64:
                raise ValueError("their packets are damaged")
        return True

    def _length(self, band: _Band, at: int) -> int:
        passes = 1
        for bits, all_ones in ((1, 1), (1, 1), (2, 3), (5, 31), (7, 128)):
            more = self.bits(bits)
            passes += more
            if more != all_ones:
                break
        while self.bit():
            band.bits[at] += 1
        return self.bits(band.bits[at] + passes.bit_length() - 1)
