"""Tables of studies, slices and rejections, as csv or JSON lines."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ichmonai.prediction.identify import IDENTITY_COLUMNS, identified
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.report.words import draft, thresholds
from ichmonai.prediction.rows import PLAN_COLUMNS, REJECTED_COLUMNS, SLICE_COLUMNS, STUDY_COLUMNS, mask_file, typed
from ichmonai.prediction.writers.base import Writer
from ichmonai.private_files import replacing
from ichmonai.tables import write_csv


class TableWriter(Writer, ABC):
    """Writes `studies.*`, `slices.*` and `rejected.*`, or `plan.*` and `rejected.*` after a dry run."""

    suffix: str

    def finish(self, journal: Journal, dry_run: bool) -> list[Path]:
        """Write the tables."""
        written = []
        if dry_run:
            plan = ({name: row.get(name, "") for name in PLAN_COLUMNS} for row in journal.study_rows())
            written += [self._write("plan", PLAN_COLUMNS, plan)]
        else:
            facts = journal.identity()
            rows = (self._with_mask(row) | self._in_words(row, facts) for row in journal.study_rows())
            columns = (*STUDY_COLUMNS, *IDENTITY_COLUMNS) if self.identify else STUDY_COLUMNS
            written += [self._write("studies", columns, identified(rows, journal) if self.identify else rows)]
            written += [self._write("slices", SLICE_COLUMNS, journal.slice_rows())]
        return [*written, self._write("rejected", REJECTED_COLUMNS, journal.rejected_rows())]

    def _with_mask(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with the file of its mask, where it was written."""
        file = mask_file(row)
        return {**row, "mask": file} if (self.folder / file).is_file() else row

    def _in_words(self, row: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
        """The draft of its report; none of a plan, which has no thresholds."""
        return draft(row, *thresholds(facts), self.templates).columns if "threshold" in facts else {}

    def _write(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
        path = self.folder / f"{name}.{self.suffix}"
        self.write_table(path, columns, rows)
        return path

    @abstractmethod
    def write_table(self, path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows; whatever their number, few are in memory.

        Args:
            path: file; its folder exists.
            columns: names, in order.
            rows: a mapping each.
        """


def typed_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of which numbers are numbers, and null what a row lacks."""
    return ({name: typed(name, row.get(name, "")) for name in columns} for row in rows)


class CsvTables(TableWriter, name="csv"):
    """Tables for spreadsheets."""

    suffix = "csv"

    def write_table(self, path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as csv."""
        write_csv(path, columns, rows)


class JsonLines(TableWriter, name="jsonl"):
    """A JSON object a row."""

    suffix = "jsonl"

    def write_table(self, path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as JSON lines."""
        with replacing(path, encoding="utf-8") as file:
            file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in typed_rows(columns, rows))
