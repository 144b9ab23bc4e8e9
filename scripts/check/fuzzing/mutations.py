"""Mutations of bytes, of lines and cells of text, and of JSON."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Mutate = Callable[[Random, bytes], bytes]

NUMBERS = (
    *("0", "-0", "-1", "1", "2", "3", "1.5", "255", "256", "-32768", "32767", "65535", "65536", "2147483647"),
    *("-2147483649", "4294967296", "10000000000000", "9223372036854775808", "1e5", "1e38", "1e308", "1e999", "-1e999"),
    *("nan", "NaN", "inf", "-Infinity", "0x10", "1_000", "1,5", " 7 ", "٣", "²", "", "0.0000001", "0.5", "9" * 400),
)
"""As text; among them those that a type cannot hold, and those that `float` or `isdecimal` take and others do not."""
WORDS = (
    *("", " ", "\0", "\n", "\r", '"', "'", ",", ";", "\\", "..", "../..", "/", "/dev/zero", "~", "=1+1", "$1/0", "@x"),
    *("%s", "{}", "\ufeff", "é", "\ud800", "\u2028", "a" * 300, "a" * 70_000, "null", "true", "None", "DICOMDIR", "."),
)
_BYTES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\n")


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """Change, remove, repeat, insert or cut off bytes."""
    if not data:
        return random.randbytes(random.randint(1, 64))
    at = random.randrange(len(data))
    length = min(len(data) - at, random.choice((1, 1, 1, 2, 4, 8, 64, 512)))
    match random.randrange(7):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + random.randbytes(length) + data[at + length :]
        case 2:
            return data[:at] + data[at + length :]
        case 3:
            return data[:at] + data[at : at + length] * random.choice((2, 2, 3, 50)) + data[at + length :]
        case 4:
            word = random.choice(_BYTES)
            return data[:at] + word + data[at + len(word) :]
        case 5:
            return data[:at] + random.choice(_BYTES) + data[at:]
        case _:
            return data[:at]


def mutate_text(random: Random, data: bytes, separator: str = ",") -> bytes:
    """Change lines, and cells of lines, of a text such as a csv or the header of an NRRD."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    at = random.randrange(len(lines))
    match random.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines) + 1), lines[at])
        case 2:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] += separator + random.choice(WORDS)
        case _:
            cells = lines[at].split(separator)
            cell = random.randrange(len(cells))
            kind = random.random()
            if kind < 0.5:
                cells[cell] = random.choice(NUMBERS)
            elif kind < 0.75:
                cells[cell] = random.choice(WORDS)
            elif kind < 0.9:
                cells[cell] = random.choice(random.choice(lines).split(separator))
            else:
                cells.pop(cell)
            lines[at] = separator.join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass" if random.random() < 0.5 else "replace")


def mutate_lines(random: Random, data: bytes) -> bytes:
    """Change words of a text whose words are parted by spaces, but not the voxels behind it."""
    end = min((found for mark in (b"\n\n", b"LOCAL\n") if (found := data.find(mark)) >= 0), default=len(data))
    return mutate_text(random, data[:end], " ") + data[end:]


def mutate_json(random: Random, data: bytes) -> bytes:
    """Change a node of a JSON document: its value, its type, its name, or whether it is there."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(random, data)
    document = _changed(random, document)
    try:
        return json.dumps(document, ensure_ascii=random.random() < 0.8).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return data


def _changed(random: Random, node: Any) -> Any:
    if isinstance(node, dict) and node and random.random() < 0.85:
        name = random.choice(list(node))
        match random.randrange(12):
            case 0:
                node.pop(name)
            case 1:
                node[random.choice((*WORDS, *node))] = node.pop(name)
            case 2:
                node[name] = node[random.choice(list(node))]
            case _:
                node[name] = _changed(random, node[name])
        return node
    if isinstance(node, list) and node and random.random() < 0.85:
        at = random.randrange(len(node))
        match random.randrange(8):
            case 0:
                node.pop(at)
            case 1:
                node.insert(at, node[at])
            case _:
                node[at] = _changed(random, node[at])
        return node
    numbers = (0, -1, 1, 1.5, 2**63, 10**400, 1e308, float("nan"), float("inf"))
    others = (None, True, False, [], {}, [[]], [node], node, {"a": node}, {"_target_": "os.getcwd"})
    return random.choice((*numbers, *others, random.choice(NUMBERS), random.choice(WORDS)))
