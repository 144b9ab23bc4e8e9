"""Find and read head CT."""

from ichmonai.io.find import find_head_ct
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.head_ct import load_head_ct
from ichmonai.io.load import LoadHeadCT, LoadHeadCTd

__all__ = ["HeadCTReadError", "LoadHeadCT", "LoadHeadCTd", "find_head_ct", "load_head_ct"]
