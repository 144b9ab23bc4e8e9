"""Values of DICOM data sets in any state: what is missing, damaged or of another kind is None or empty."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from ichmonai.io.header import Vector

_STRINGS = ("CS", "DS", "IS", "LO", "SH", "UI")
_TEXT_LENGTH = 128
"""Twice what DICOM allows a description: more is damage."""


@functools.cache  # looking a name up takes as long as reading its value
def tag_of(name: str) -> BaseTag:
    """The tag of a keyword."""
    return Tag(name)


def get(dataset: Dataset, name: str) -> Any:
    """A value, or None where it is missing, empty, or not what its VR allows."""
    tag = tag_of(name)
    if tag not in dataset:
        return None
    try:
        raw: Any = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.VR in _STRINGS and raw.value and _is_plain(raw.value):
            # As pydicom would say, in a tenth of the time; this is nearly every value.
            return raw.value.decode("ascii").rstrip("\0 ").split("\\")
        value = dataset[tag].value
    except Exception:  # pydicom raises errors of many kinds
        return None
    return None if value == "" else value


def has(dataset: Dataset, name: str) -> bool:
    """Whether there is a value, sound or not."""
    tag = tag_of(name)
    return tag in dataset and dataset.get_item(tag).value not in (None, "", b"")


def text(dataset: Dataset, name: str) -> str:
    """Its values as one text."""
    return " ".join(texts(dataset, name))[: 2 * _TEXT_LENGTH]  # a UID among them, which sentences name


def texts(dataset: Dataset, name: str) -> tuple[str, ...]:
    """Its values as text, without what is not printable."""
    value = get(dataset, name)
    if value is None or isinstance(value, bytes | pydicom.Sequence):
        return ()
    values = (value,) if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
    return tuple("".join(filter(str.isprintable, str(one)[:_TEXT_LENGTH])).strip() for one in values[:16])


def numbers(dataset: Dataset, name: str, size: int) -> Vector | None:
    """Its values where they are so many finite numbers."""
    value = get(dataset, name)
    if value is None or isinstance(value, bytes | pydicom.Sequence):
        return None
    try:
        several = isinstance(value, Sequence) and not isinstance(value, str)
        found = tuple(map(float, value if several else (value,)))
    except (TypeError, ValueError):
        return None
    return found if len(found) == size and all(map(math.isfinite, found)) else None


def integer(dataset: Dataset, name: str) -> int | None:
    """Its value where it is one whole number of 32 bits."""
    found = numbers(dataset, name, 1)
    return int(found[0]) if found and abs(found[0]) < 2**31 else None


def items(dataset: Dataset, name: str) -> Sequence[Dataset]:
    """The items of a sequence."""
    value = get(dataset, name)
    return value if isinstance(value, pydicom.Sequence) else ()


def _is_plain(value: bytes) -> bool:
    return value.isascii() and b"\x1b" not in value  # which starts a change of character set
