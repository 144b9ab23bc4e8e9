"""Find and read head CT."""

import importlib
from typing import TYPE_CHECKING, Any

from ichmonai.io.discovery.choose import choose_series
from ichmonai.io.discovery.find import find_head_ct
from ichmonai.io.discovery.group import group_series
from ichmonai.io.discovery.scan import scan
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, OtherFile, Rejection, Series

if TYPE_CHECKING:
    from ichmonai.io.head_ct import head_ct_of, load_head_ct
    from ichmonai.io.load import LoadHeadCT, LoadHeadCTd

__all__ = [
    "Code",
    "Finding",
    "HeadCTReadError",
    "ImageHeader",
    "ImageSource",
    "LoadHeadCT",
    "LoadHeadCTd",
    "OtherFile",
    "Rejection",
    "Series",
    "choose_series",
    "find_head_ct",
    "group_series",
    "head_ct_of",
    "load_head_ct",
    "scan",
]

# Readers import torch, MONAI and ITK, which takes seconds; processes that read headers do without.
_READERS = {"load_head_ct": "head_ct", "head_ct_of": "head_ct", "LoadHeadCT": "load", "LoadHeadCTd": "load"}


def __getattr__(name: str) -> Any:
    if name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_READERS[name]}"), name)
