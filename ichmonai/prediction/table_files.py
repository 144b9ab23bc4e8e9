"""Tables of results as csv, JSON lines or Parquet files."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ichmonai.errors import InputError
from ichmonai.prediction.formats import TableFormat
from ichmonai.private_files import replacing
from ichmonai.tables import PROBABILITIES, write_csv


def write_table(path: Path, format: TableFormat, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows to `path` with the format's suffix; whatever the number of rows, few are in memory.

    Numbers are numbers in JSON lines and Parquet, and what a row lacks is null there.

    Args:
        path: file without suffix; its folder exists.
        format: kind of file.
        columns: names, in order.
        rows: a mapping each.

    Returns:
        The file.

    Raises:
        InputError: when Parquet is asked for and pyarrow is not installed.
    """
    path = path.with_name(f"{path.name}.{format.value}")
    if format is TableFormat.CSV:
        write_csv(path, columns, rows)
        return path
    values = ({name: typed(name, row.get(name, "")) for name in columns} for row in rows)
    if format is TableFormat.JSONL:
        with replacing(path, encoding="utf-8") as file:
            file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in values)
    else:
        with replacing(path, "wb") as file:
            _write_parquet(file, columns, values)
    return path


def require_parquet() -> None:
    """Check that Parquet can be written.

    Raises:
        InputError: when it cannot.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError('Parquet needs pyarrow; install it with: pip install "ichmonai[parquet]".') from error


_INTEGERS = ("slices", "brain_slices", "slice", "leading_slice", "slices_apart")
_REALS = (*PROBABILITIES, "brain_content")


def typed(name: str, value: Any) -> int | float | str | None:
    """A cell of a column as the number or text that it stands for; None where it is empty.

    Raises:
        ValueError: where it is of another kind.
    """
    if value == "" or value == "nan":
        return None
    if name in _INTEGERS or name in _REALS:
        number = int(value) if name in _INTEGERS else float(value)
        if not abs(number) < 2**31:  # as Parquet has them; nor is nan
            raise ValueError(f"{name} is {number}")
        return number
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    value.encode()  # half a character cannot be written
    return value


def _write_parquet(file: IO[bytes], columns: Sequence[str], rows: Iterator[dict[str, Any]]) -> None:
    require_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {**dict.fromkeys(_INTEGERS, pa.int32()), **dict.fromkeys(_REALS, pa.float64())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, 10_000)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
