"""File formats of tables."""

from enum import Enum


class TableFormat(str, Enum):
    """File formats of tables; the value is the file's suffix."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
