"""The formats that are read, one module each; a module that has a `FORMAT` is found by being here."""

import functools
import importlib
import pkgutil
from pathlib import Path

from ichmonai.io.format import Format
from ichmonai.io.header import Kind


@functools.cache
def formats() -> tuple[Format, ...]:
    """All formats, in order of their modules' names."""
    return tuple(importlib.import_module(f"{__name__}.{one.name}").FORMAT for one in pkgutil.iter_modules(__path__))


def format_of(name: str) -> Format | None:
    """The format whose suffix a file name has, or None: DICOM files need no suffix."""
    return _by_suffix(name, "suffixes")


def format_of_voxels(name: str) -> Format | None:
    """The format of which a file of this name can be the voxels, or None."""
    return _by_suffix(name, "voxel_suffixes")


def header_of(name: str) -> str | None:
    """The image that is meant by the name of its voxels, where there is one beside them."""
    found = (one.header_of(Path(name)) for one in formats() if name.lower().endswith(one.voxel_suffixes))
    return next((str(one) for one in found if one), None)


@functools.cache
def suffixes_of(kind: Kind) -> tuple[str, ...]:
    """The suffixes of all formats of a kind."""
    return tuple(suffix for one in formats() if one.kind is kind for suffix in one.suffixes)


def _by_suffix(name: str, attribute: str) -> Format | None:
    name = name.lower()
    return next((one for suffix, one in _suffixes(attribute) if name.endswith(suffix)), None)


@functools.cache
def _suffixes(attribute: str) -> list[tuple[str, Format]]:
    """The longest first."""
    pairs = [(suffix, one) for one in formats() for suffix in getattr(one, attribute)]
    return sorted(pairs, key=lambda pair: -len(pair[0]))
