"""The voxels of NRRD and MetaImage files, checked before ITK reads them.

ITK does not look at the checksum of compressed voxels, and passes over what is there beyond those of the header.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ichmonai.io.discovery.volume_headers import TEXT_HEADER
from ichmonai.io.suffixes import METAIMAGE_SUFFIXES

_BLOCK = 2**20
_META_END = re.compile(rb"^ElementDataFile[ \t]*=[ \t]*([^\r\n]*?)[ \t]*\r?\n", re.MULTILINE)
_META_PACKED = re.compile(rb"^CompressedData[ \t]*=[ \t]*[Tt1]", re.MULTILINE)
_NRRD_END = re.compile(rb"\r?\n\r?\n")
_NRRD_FILE = re.compile(rb"^data ?file:[ \t]*([^\r\n]*)", re.MULTILINE)
_NRRD_PACKED = re.compile(rb"^encoding:[ \t]*gz", re.MULTILINE)
_SKIP = re.compile(rb"^(HeaderSize[ \t]*=|(byte|line) ?skip:)", re.MULTILINE)


def check_block(path: Path, size: int, plane: int) -> None:
    """Check that a file holds the voxels that its header promises, whole and not a slice more.

    Args:
        path: .nrrd, .mha or .mhd file; its header was found good.
        size: bytes of all voxels.
        plane: bytes of a slice.

    Raises:
        ValueError: where it does not.
        zlib.error: where compressed voxels are damaged.
        OSError: where the file of the voxels cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(TEXT_HEADER)
    metaimage = path.name.lower().endswith(METAIMAGE_SUFFIXES)
    end = (_META_END if metaimage else _NRRD_END).search(header)
    if end is None:
        raise ValueError("its header has no end")
    header = header[: end.end()]
    if _SKIP.search(header):  # rare, and known to ITK
        return
    packed = (_META_PACKED if metaimage else _NRRD_PACKED).search(header)
    named = end[1] if metaimage else found[1] if (found := _NRRD_FILE.search(header)) else b"LOCAL"
    start = end.end()
    if named.upper() != b"LOCAL":
        path, start = path.parent / named.decode(), 0
    elif metaimage and packed and b"CompressedDataSize" not in header:
        raise ValueError("it lacks CompressedDataSize")  # without it, ITK reads other numbers than were written
    with path.open("rb") as file:
        file.seek(start)
        if packed:
            found_bytes = 0
            for count in _inflated(file):
                found_bytes += count
                if found_bytes >= size + plane:
                    break
        else:
            found_bytes = path.stat().st_size - start
    if found_bytes < size:
        raise ValueError("it is too short for the voxels of its header")
    if found_bytes >= size + plane:
        raise ValueError("it holds more slices than its header says")


def _inflated(file: BinaryIO) -> Iterator[int]:
    """Lengths of what a zlib or gzip stream inflates to, up to its checksum, a block at a time."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    while not stream.eof:
        block = stream.unconsumed_tail or file.read(_BLOCK)
        if not block:
            raise ValueError("its compressed voxels are cut off")
        yield len(stream.decompress(block, _BLOCK))
