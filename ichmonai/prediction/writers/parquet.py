"""Tables of studies, slices and rejections, as Parquet."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError
from ichmonai.prediction.rows import INTEGERS, REALS
from ichmonai.prediction.writers.tables import TableWriter, typed_rows
from ichmonai.private_files import replacing


class ParquetTables(TableWriter, name="parquet"):
    """Tables with types; needs pyarrow."""

    suffix = "parquet"

    @classmethod
    def require(cls) -> None:
        """Check that pyarrow is installed.

        Raises:
            InputError: when it is not.
        """
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise InputError('Parquet needs pyarrow; install it with: pip install "ichmonai[parquet]".') from error

    def write_table(self, path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as Parquet, 10,000 a group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {**dict.fromkeys(INTEGERS, pa.int32()), **dict.fromkeys(REALS, pa.float64())}
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
        values = typed_rows(columns, rows)
        with replacing(path, "wb") as file, pq.ParquetWriter(file, schema) as writer:
            while batch := list(islice(values, 10_000)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
