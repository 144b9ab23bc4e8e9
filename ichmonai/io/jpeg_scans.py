"""Huffman-coded scans of JPEG (ISO 10918-1): they have no checksum, but they must end with the last pixel's last bit.

libjpeg goes on after damage, and Pillow keeps to itself what it says then. Of sequential JPEG each code is followed
here: one that is none, an overfull block, and a symbol too many or too few are seen. Where codes fall into step again
with the right number of symbols, nothing is. Of lossless JPEG, GDCM's libjpeg itself says as much.
"""

from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SEQUENTIAL = (0xC0, 0xC1)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_DHT, _EOI, _SOS, _DRI = 0xC4, 0xD9, 0xDA, 0xDD
_RESTARTS = range(0xD0, 0xD8)
_BLOCK_END = 100
"""A run that no other code makes: End-Of-Block."""
_Lookup = tuple[bytes, ...]


class _Component(NamedTuple):
    name: int
    horizontal: int
    vertical: int


@dataclass
class _State:
    kind: int = 0
    precision: int = 0
    rows: int = 0
    columns: int = 0
    components: list[_Component] = field(default_factory=list)
    tables: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = field(default_factory=dict)
    restart: int = 0


def check_scans(frame: bytes) -> None:
    """Follow all markers of a JPEG image and, of sequential JPEG (baseline and extended), all its codes.

    Args:
        frame: from SOI; what stands behind EOI is not looked at.

    Raises:
        ValueError: where it is damaged or cut off.
    """
    state = _State()
    at = 2
    try:
        while (marker := frame[at + 1]) != _EOI or frame[at] != 0xFF:
            if frame[at] != 0xFF:
                raise ValueError("their JPEG markers are out of step")
            if marker == 0xFF:  # fill byte
                at += 1
                continue
            end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
            segment = frame[at + 4 : end]
            if marker in _FRAMES:
                if state.kind:
                    raise ValueError("they are two JPEG images in one")
                _read_frame(state, marker, segment)
            elif marker == _DHT:
                _read_tables(state, segment)
            elif marker == _DRI:
                state.restart = int.from_bytes(segment[:2], "big")
            elif marker == _SOS:
                intervals, end = _intervals(frame, end)
                _check_scan(state, segment, intervals)
            at = end
    except (IndexError, KeyError):
        raise ValueError("their JPEG scan is cut off or its codes are damaged") from None


def _read_frame(state: _State, marker: int, segment: bytes) -> None:
    state.kind, state.precision = marker, segment[0]
    state.rows, state.columns = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    for at in range(6, 6 + 3 * segment[5], 3):
        state.components.append(_Component(segment[at], segment[at + 1] >> 4, segment[at + 1] & 15))
    if not (state.rows and state.columns and all(min(one[1:]) for one in state.components)):
        raise ValueError("their JPEG header is damaged")


def _read_tables(state: _State, segment: bytes) -> None:
    """Per table two arrays over the next 16 bits: length of the code (0 where there is none) and its value."""
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        values = np.frombuffer(segment[at + 17 : at + 17 + sum(counts)], np.uint8)
        lengths = np.repeat(np.arange(1, 17), list(counts))
        spans = 1 << (16 - lengths)
        if len(values) < len(lengths) or spans.sum() > 1 << 16:
            raise ValueError("a Huffman table of theirs is damaged")
        table = np.zeros((2, 1 << 16), np.uint8)
        table[0, : spans.sum()] = np.repeat(lengths, spans)
        table[1, : spans.sum()] = np.repeat(values, spans)
        state.tables[segment[at]] = table[0], table[1]
        at += 17 + len(lengths)


def _intervals(frame: bytes, start: int) -> tuple[list[NDArray[np.uint8]], int]:
    """The coded bytes between restart markers, without stuffing, and the place of the marker behind them all."""
    coded = np.frombuffer(frame, np.uint8)[start:]
    marks = np.flatnonzero(coded[:-1] == 0xFF)
    following = coded[marks + 1]
    restarts = (following >= _RESTARTS[0]) & (following <= _RESTARTS[-1])
    ends = marks[(following != 0) & (following != 0xFF) & ~restarts]
    if not len(ends):
        raise ValueError("their JPEG scan is cut off")
    end = int(ends[0])
    inside = marks < end
    places, numbers = marks[inside & restarts], following[inside & restarts]
    if (numbers - _RESTARTS[0] != np.arange(len(numbers)) % 8).any():
        raise ValueError("their JPEG restart markers are in no order")
    kept = np.ones(end, bool)
    kept[marks[inside & (following == 0)] + 1] = False
    kept[marks[inside & (following == 0xFF)]] = False  # fill bytes
    kept[places], kept[places + 1] = False, False
    edges = [0, *places.tolist(), end]
    return [coded[a:b][kept[a:b]] for a, b in pairwise(edges)], start + end


def _check_scan(state: _State, segment: bytes, intervals: list[NDArray[np.uint8]]) -> None:
    if state.kind not in _SEQUENTIAL:
        return
    known = {one.name: one for one in state.components}
    count = segment[0]
    scanned = [(known[segment[1 + 2 * n]], segment[2 + 2 * n]) for n in range(count)]
    width, height = (8 * max(one[side] for one in state.components) for side in (1, 2))
    blocks = [(one.horizontal * one.vertical, tables) for one, tables in scanned]
    if count == 1:  # then a unit is one block of the component
        one, tables = scanned[0]
        width, height = width // one.horizontal, height // one.vertical
        blocks = [(1, tables)]
    units = -(-state.rows // height) * -(-state.columns // width)
    each = state.restart or units
    if len(intervals) != -(-units // each):
        raise ValueError(f"they have {len(intervals)} JPEG restart intervals, not {-(-units // each)}")
    for number, coded in enumerate(intervals):
        _check_interval(state, coded, min(each, units - number * each), blocks)


def _check_interval(state: _State, coded: NDArray[np.uint8], units: int, blocks: list[tuple[int, int]]) -> None:
    words = np.concatenate([coded, np.full(3, 0xFF, np.uint8)]).astype(np.int32)
    words = (words[:-2] << 16) | (words[1:-1] << 8) | words[2:]
    windows = ((words[:, None] >> np.arange(8, 0, -1, dtype=np.int32)) & 0xFFFF).ravel()
    at, end = _followed(_lookups(state, windows, blocks), units), 8 * len(coded)
    if at > end:
        raise IndexError
    left = windows[at:end] >> 15  # bits of 1 fill the last byte (F.1.2.3); of some writers bits of 0
    if len(left) and left.min() != left.max():
        raise ValueError("their JPEG scan goes on behind its last pixel")


def _lookups(state: _State, windows: NDArray[np.integer], blocks: list[tuple[int, int]]) -> list[_Lookup]:
    """For each block of a unit, at each bit: how far it is to the next code, and how far that leads into the block."""
    order: list[_Lookup] = []
    for number, tables in blocks:
        first, following = state.tables[tables >> 4], state.tables[0x10 | tables & 15]
        steps = [np.where(lengths, lengths + (values & 15), 0) for lengths, values in (first, following)]
        runs = np.where(following[1] == 0, _BLOCK_END, (following[1] >> 4) + 1)
        order += [tuple(table.astype(np.uint8)[windows].tobytes() for table in (*steps, runs))] * number
    return order


def _followed(order: list[_Lookup], units: int) -> int:
    """The bit behind the last block; an IndexError where there is no code or a block is overfull."""
    at = 0
    for _ in repeat(None, units):
        for steps, more, runs in order:
            if not (step := steps[at]):
                raise IndexError
            at += step
            k = 1
            while k < 64:
                if not (step := more[at]):
                    raise IndexError
                k += runs[at]
                at += step
            if 64 < k < _BLOCK_END:
                raise IndexError
    return at
