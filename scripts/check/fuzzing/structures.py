"""Mutations of DICOM, NIfTI, zip and SQLite files by what they consist of."""

import gzip
import io
import sqlite3
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from random import Random

from scripts.check.fuzzing.mutations import NUMBERS, WORDS, Mutate, mutate_bytes, mutate_json, mutate_lines, mutate_text

_LONG = (b"OB", b"OD", b"OF", b"OL", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")
_VRS = (*_LONG, b"AE", b"AS", b"CS", b"DS", b"IS", b"LO", b"SH", b"UI", b"US", b"SS", b"FD", b"FL", b"PN", b"AT", b"??")
_LENGTHS = (0, 1, 2, 7, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_TAGS = (0x00280010, 0x00280011, 0x00280008, 0x00280100, 0x00280101, 0x00280002, 0x00280103, 0x00281052, 0x00281053)
_ITEM = struct.pack("<HH", 0xFFFE, 0xE000)
_ENDS = (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), struct.pack("<HHI", 0xFFFE, 0xE00D, 0))
_HEADER = {  # offset in the NIfTI-1 header, and how it is packed
    **dict.fromkeys((0, 108, 112, 116, 120, 124, 256, 260, 264, 268, 272, 276), "<f"),
    **dict.fromkeys(range(76, 108, 4), "<f"),
    **dict.fromkeys(range(280, 328, 4), "<f"),
    **dict.fromkeys((*range(40, 56, 2), 68, 70, 72, 74, 252, 254), "<h"),
}
_FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), 352.0, 353.0, 3e9, 0.5, 5.0)
_SHORTS = (0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 128, 256, 512, 768, 1024, 2304, 32767, -32768)

Element = tuple[int, bytes, int, bytes]
"""Tag, VR, length as it is written, and value."""


def mutate_dicom(random: Random, data: bytes) -> bytes:
    """Change, drop, repeat, move or nest elements of an explicit little endian file."""
    start = 132 if data[128:132] == b"DICM" else 0
    elements, rest = _elements(data, start)
    if not elements:
        return mutate_bytes(random, data)
    at = random.randrange(len(elements))
    tag, vr, length, value = elements[at]
    match random.randrange(12):
        case 0:
            del elements[at]
        case 1:
            elements.insert(random.randrange(len(elements)), elements[at])
        case 2:
            tag = random.choice((*_TAGS, random.getrandbits(32), *(one[0] for one in elements)))
            elements[at] = (tag, vr, length, value)
        case 3:
            elements[at] = (tag, random.choice(_VRS), length, value)
        case 4:
            elements[at] = (tag, vr, random.choice((*_LENGTHS, length + 2, max(length - 2, 0))), value)
        case 5:
            nested = _ITEM + struct.pack("<I", len(value)) + value
            elements[at] = (tag, b"SQ", random.choice((len(nested), 0xFFFFFFFF)), nested + random.choice(_ENDS))
        case 6:
            inner = _written(elements[: random.randint(1, 5)])
            for _ in range(random.choice((1, 3, 200, 2000))):
                inner = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + _ITEM + b"\xff" * 4 + inner
            return data[:start] + _written(elements) + inner + rest
        case 7 if tag == 0x7FE00010 or length == 0xFFFFFFFF:
            elements[at] = (tag, vr, length, _fragments(random, value))
        case _:
            text = random.choice((*NUMBERS, *WORDS)).encode("utf-8", "replace")
            numbers = (random.choice((0, 1, 2, 8, 16, 32, 64, 65535)), random.getrandbits(16))
            value = random.choice((text, text, b"\\".join([text] * 3), struct.pack("<H", random.choice(numbers))))
            value = value if random.random() < 0.8 else mutate_bytes(random, elements[at][3])
            elements[at] = (tag, vr, len(value), value)
    return data[:start] + _written(elements) + rest


def _elements(data: bytes, at: int) -> tuple[list[Element], bytes]:
    """The elements at the top, and what follows the last that is whole."""
    found: list[Element] = []
    while at + 8 <= len(data):
        group, element, vr = struct.unpack_from("<HH2s", data, at)
        if vr in _LONG:
            head, length = 12, int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            head, length = 8, int.from_bytes(data[at + 6 : at + 8], "little")
        end = at + head + length
        if length == 0xFFFFFFFF:  # up to the delimiter, or to the end
            stop = data.find(_ENDS[0], at)
            end = stop + 8 if stop >= 0 else len(data)
        if end > len(data) or not vr.isalpha():
            break
        found.append((group << 16 | element, vr, length, data[at + head : end]))
        at = end
    return found, data[at:]


def _written(elements: list[Element]) -> bytes:
    parts = []
    for tag, vr, length, value in elements:
        head = struct.pack("<HH2s", tag >> 16 & 0xFFFF, tag & 0xFFFF, vr)
        parts.append(head + (struct.pack("<HI", 0, length) if vr in _LONG else struct.pack("<H", length & 0xFFFF)))
        parts.append(value)
    return b"".join(parts)


def _fragments(random: Random, value: bytes) -> bytes:
    """Encapsulated pixels with a fragment dropped, repeated, divided, emptied or changed."""
    items, at = [], 0
    while value[at : at + 4] == _ITEM:
        length = int.from_bytes(value[at + 4 : at + 8], "little")
        items.append(value[at + 8 : at + 8 + length])
        at += 8 + length
    if not items:
        return mutate_bytes(random, value)
    one = random.randrange(len(items))
    match random.randrange(5):
        case 0:
            del items[one]
        case 1:
            items.insert(one, items[one])
        case 2:
            items[one : one + 1] = [items[one][: len(items[one]) // 2], items[one][len(items[one]) // 2 :]]
        case 3:
            items[one] = b""
        case _:
            items[one] = mutate_bytes(random, items[one])
    return b"".join(_ITEM + struct.pack("<I", len(item)) + item for item in items) + value[at:]


def mutate_nifti(random: Random, data: bytes) -> bytes:
    """Change a field of the header."""
    if len(data) < 352:
        return mutate_bytes(random, data)
    content = bytearray(data)
    offset = random.choice(list(_HEADER))
    kind = _HEADER[offset]
    struct.pack_into(kind, content, offset, random.choice(_FLOATS if kind == "<f" else _SHORTS))
    return bytes(content)


def mutate_gzip(random: Random, data: bytes) -> bytes:
    """Change a field of the header inside the compression."""
    try:
        return gzip.compress(mutate_nifti(random, gzip.decompress(data)), 1, mtime=0)
    except (OSError, EOFError, ValueError):
        return mutate_bytes(random, data)


def mutate_zip(random: Random, data: bytes) -> bytes:
    """Change a field or the name of an entry, in the directory at the end or before the member, or repeat one."""
    content = bytearray(data)
    marks = [at for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for at in _every(data, mark)]
    if not marks:
        return mutate_bytes(random, data)
    at = random.choice(marks)
    fields = {b"PK\1\2": range(4, 46, 2), b"PK\3\4": range(4, 30, 2), b"PK\5\6": range(4, 22, 2)}
    kind = bytes(content[at : at + 4])
    offset = at + random.choice(fields[kind])
    match random.randrange(4):
        case 0:
            content[offset : offset + 2] = struct.pack("<H", random.choice((*_LENGTHS[:6], 8, 12, 14, 99)))
        case 1:
            content[offset : offset + 4] = struct.pack("<I", random.choice(_LENGTHS) & 0xFFFFFFFF)
        case 2:
            name = at + (46 if kind == b"PK\1\2" else 30)
            word = random.choice(WORDS[:20]).encode("utf-8", "replace")
            content[name : name + len(word)] = word
        case _:
            content[at:at] = data[at : at + 60]
    return bytes(content)


def _every(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0 and len(found) < 100:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def pack(files: Mapping[str, bytes]) -> bytes:
    """Several files as one input: a zip archive without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of one input."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def mutate_files(random: Random, data: bytes) -> bytes:
    """Change one file of an input that consists of several by what it is, or its name, or whether it is there."""
    try:
        files = unpack(data)
    except Exception:  # of an input that was made by other means
        return data
    if not files:
        return data
    name = random.choice(list(files))
    match random.randrange(20):
        case 0 if len(files) > 1:
            del files[name]
        case 1:
            suffix = random.choice([Path(one).suffix for one in files] + [".dcm", ".zip", ".nii", ".csv", ""])
            files[f"{random.getrandbits(16):x}{suffix}"] = files[name]
        case 2:
            files[name] = files[random.choice(list(files))]
        case _:
            files[name] = mutate_by_name(name)(random, files[name])
    return pack(files)


def mutate_by_name(name: str) -> Mutate:
    """The mutation of a kind of file."""
    name = name.lower()
    if name.endswith(".gz"):
        return mutate_gzip
    by_suffix = {
        ".csv": mutate_text,
        ".json": mutate_json,
        ".zip": mutate_zip,
        ".nii": mutate_nifti,
        ".png": mutate_bytes,
    }
    by_suffix |= {".nrrd": mutate_lines, ".mha": mutate_lines, ".sqlite": mutate_sqlite}
    return by_suffix.get(Path(name).suffix, mutate_dicom)


def mutate_sqlite(random: Random, data: bytes) -> bytes:
    """Change a cell, a row or a table of a database."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = random.choice(names)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = random.choice(columns)
        rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        match random.randrange(10):
            case 0:
                connection.execute(f"DROP TABLE {table}")
            case 1:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            case 2 if rows:
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (random.choice(rows)[0],))
            case 3:
                connection.execute(f"PRAGMA user_version = {random.choice((0, 1, 2, 99))}")
            case _ if rows:
                row, value = random.choice(rows)
                if isinstance(value, str) and value[:1] in "[{" and random.random() < 0.7:
                    value = mutate_json(random, value.encode()).decode()
                else:
                    value = random.choice((0, -1, 1.5, 2**62, b"\xff", "", *NUMBERS[:20], *WORDS[:30], "{}", "[]"))
                if isinstance(value, str):
                    value = value.encode("utf-8", "replace").decode()
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))
        connection.commit()
        return bytes(connection.serialize())
    except (sqlite3.Error, IndexError, OverflowError):
        return mutate_bytes(random, data)
    finally:
        connection.close()
