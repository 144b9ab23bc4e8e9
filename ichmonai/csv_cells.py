"""Texts in csv files that a spreadsheet does not take for formulas."""

import re
from typing import Any

_FORMULA = re.compile(r"'*\s*[=+\-@\t\r]")
_GUARDED = re.compile(r"''*\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_cell(value: Any) -> Any:
    """A value as it may stand in a csv file: an apostrophe goes before what a spreadsheet would run (OWASP).

    Example:
        >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("'=1"), csv_cell("1.2.840")
        ("'=1+1", '-0.5', "''=1", '1.2.840')
    """
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def cell_text(cell: str) -> str:
    """The text that `csv_cell` made a cell of."""
    return cell[1:] if _GUARDED.match(cell) else cell
