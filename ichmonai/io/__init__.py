"""Find and read head CT."""

from ichmonai.io.choose import choose_series
from ichmonai.io.find import find_head_ct
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.group import group_series
from ichmonai.io.head_ct import load_head_ct
from ichmonai.io.headers import ImageHeader
from ichmonai.io.load import LoadHeadCT, LoadHeadCTd
from ichmonai.io.scan import scan
from ichmonai.io.series import Location, OtherFile, Rejection, Series

__all__ = [
    "Code",
    "Finding",
    "HeadCTReadError",
    "ImageHeader",
    "LoadHeadCT",
    "LoadHeadCTd",
    "Location",
    "OtherFile",
    "Rejection",
    "Series",
    "choose_series",
    "find_head_ct",
    "group_series",
    "load_head_ct",
    "scan",
]
