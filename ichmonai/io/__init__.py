"""Find and read head CT."""

from typing import TYPE_CHECKING

from ichmonai.io.discovery.choose import choose_series
from ichmonai.io.discovery.find import find_head_ct
from ichmonai.io.discovery.group import group_series
from ichmonai.io.discovery.scan import scan
from ichmonai.io.findings import Code, Finding, HeadCTReadError
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, OtherFile, Rejection, Series
from ichmonai.late_names import late_names

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
__getattr__ = late_names(__name__, {"head_ct": ("load_head_ct", "head_ct_of"), "load": ("LoadHeadCT", "LoadHeadCTd")})
