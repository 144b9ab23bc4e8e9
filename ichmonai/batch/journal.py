"""The record of a batch on disk: what was found, what is to be done, what is done."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ichmonai.batch.study import Answer
from ichmonai.errors import InputError
from ichmonai.io.discovery.headers import ImageHeader
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import Location, Rejection, Series
from ichmonai.outputs.study_rows import REJECTED_COLUMNS, worklist_rank

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    study TEXT NOT NULL, series TEXT NOT NULL, images TEXT NOT NULL, rank REAL NOT NULL, code TEXT NOT NULL,
    sentence TEXT NOT NULL, study_row TEXT NOT NULL, slice_rows TEXT NOT NULL, seconds TEXT NOT NULL,
    PRIMARY KEY (study, series)
);
CREATE TABLE IF NOT EXISTS runtimes (runtime TEXT PRIMARY KEY);
DROP TABLE IF EXISTS headers;
DROP TABLE IF EXISTS tasks;
DROP TABLE IF EXISTS rejections;
CREATE TABLE headers (study TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX headers_of_study ON headers (study);
CREATE TABLE tasks (
    study TEXT NOT NULL, series TEXT NOT NULL, images TEXT NOT NULL, location TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (study, series)
);
CREATE TABLE rejections (
    study TEXT NOT NULL, series TEXT NOT NULL, location TEXT NOT NULL, code TEXT NOT NULL, sentence TEXT NOT NULL,
    is_series INTEGER NOT NULL
);
"""


class Journal:
    """An SQLite file that survives being killed at any moment, and keeps a batch of any size out of memory.

    Answers stay from run to run. What was found and planned is of the present run alone: opening forgets it.

    Args:
        path: file; made if absent.
        identity: what decides the results. A journal of another identity is not continued.

    Raises:
        InputError: when the file holds answers of another identity, or cannot be written.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        record = json.dumps(identity, sort_keys=True)
        try:
            self.connection = sqlite3.connect(path)
            self.connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise InputError(f"{path} cannot be used ({error}); choose another folder for the results.") from error
        before = self.connection.execute("SELECT record FROM identity").fetchone()
        if before is None:
            self.connection.execute("INSERT INTO identity VALUES (?)", (record,))
        elif before[0] != record:
            old = json.loads(before[0])
            changed = ", ".join(name for name in identity if identity[name] != old.get(name))
            self.connection.close()
            raise InputError(
                f"{path.parent} holds results of another run (other {changed}); choose a new folder, or empty this one."
            )
        self.connection.commit()

    def add_headers(self, headers: Iterable[ImageHeader]) -> None:
        """Keep headers until their study is planned."""
        rows = [(header.study, header.to_json()) for header in headers]
        with self.connection:
            self.connection.executemany("INSERT INTO headers VALUES (?, ?)", rows)

    def studies(self) -> Iterator[list[ImageHeader]]:
        """The headers of each study, in the order of the studies' names."""
        study = ""
        while True:
            found = self.connection.execute("SELECT MIN(study) FROM headers WHERE study > ?", (study,)).fetchone()[0]
            if found is None:
                return
            study = found
            rows = self.connection.execute("SELECT record FROM headers WHERE study = ? ORDER BY rowid", (study,))
            yield [ImageHeader.from_json(record) for (record,) in rows]

    def plan(self, series: Iterable[Series], rejections: Iterable[Rejection]) -> None:
        """Take series as tasks and others as rejected."""
        tasks = [(one.study, one.series, _images(one), str(one.images[0]), json.dumps(asdict(one))) for one in series]
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?)", tasks)
            self.connection.executemany(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.study,
                        one.series,
                        one.location,
                        one.finding.code.value,
                        one.finding.sentence,
                        bool(one.series),
                    )
                    for one in rejections
                ],
            )

    def open_tasks(self) -> Iterator[Series]:
        """The series that have no answer yet, or one of other images, or whose last attempt failed."""
        last = ("", "")
        while True:
            # One row at a time: a long read would keep answers from being written.
            row = self.connection.execute(
                "SELECT study, series, tasks.record FROM tasks LEFT JOIN answers USING (study, series) "
                "WHERE (study, series) > (?, ?) AND (answers.images IS NOT tasks.images OR answers.code = ?) "
                "ORDER BY study, series LIMIT 1",
                (*last, Code.FAILED.value),
            ).fetchone()
            if row is None:
                return
            last = row[:2]
            yield _series(json.loads(row[2]))

    def record(self, series: Series, answer: Answer) -> None:
        """Write the answer to a series, at once and as a whole."""
        code, sentence = answer.finding or ("", "")
        with self.connection:
            if answer.runtime:
                self.connection.execute("INSERT OR IGNORE INTO runtimes VALUES (?)", (answer.runtime["runtime"],))
            self.connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    series.study,
                    series.series,
                    _images(series),
                    worklist_rank(answer.study),
                    Code(code).value if code else "",
                    sentence,
                    json.dumps(answer.study),
                    json.dumps(answer.slices),
                    json.dumps(answer.seconds),
                ),
            )

    def runtime(self) -> str | None:
        """What the network ran on for all answers; None where it did not say, or ran on several."""
        found = self.connection.execute("SELECT runtime FROM runtimes").fetchall()
        return found[0][0] if len(found) == 1 else None

    def count(self, condition: str = "1") -> int:
        """The number of planned series, all or those whose answer fulfils a condition."""
        query = f"SELECT COUNT(*) FROM tasks LEFT JOIN answers USING (study, series, images) WHERE {condition}"
        return self.connection.execute(query).fetchone()[0]

    def study_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table of studies, in the order of `worklist_rank`."""
        rows = self.connection.execute(
            "SELECT rank, study, series, code, study_row FROM tasks JOIN answers USING (study, series, images) "
            # A study of which every series is refused has a row as well.
            "UNION ALL SELECT 0, study, '', REPLACE(GROUP_CONCAT(DISTINCT code), ',', ';'), '{}' FROM rejections "
            "WHERE is_series AND study NOT IN (SELECT study FROM tasks) GROUP BY study "
            "ORDER BY 1, 2, 3"
        )
        for _, study, series, code, record in rows:
            nothing = {"study": study, "series": series, "outcome": "no_prediction", "flags": code}
            yield json.loads(record) if not code else nothing

    def slice_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table of slices, by study and series, inferior to superior."""
        rows = self.connection.execute(
            "SELECT slice_rows FROM tasks JOIN answers USING (study, series, images) ORDER BY study, series"
        )
        for (record,) in rows:
            yield from json.loads(record)

    def rejected_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table of rejections, by place."""
        rows = self.connection.execute(
            "SELECT study, series, location, code, sentence "
            "FROM tasks JOIN answers USING (study, series, images) WHERE code != '' "
            "UNION ALL SELECT study, series, location, code, sentence FROM rejections ORDER BY 3, 1, 2, 4, 5"
        )
        for row in rows:
            yield dict(zip(REJECTED_COLUMNS, row, strict=True))

    def seconds(self) -> dict[str, float]:
        """Time spent on all planned series together, by stage."""
        total: dict[str, float] = {}
        for (record,) in self.connection.execute(
            "SELECT seconds FROM tasks JOIN answers USING (study, series, images)"
        ):
            for stage, value in json.loads(record).items():
                total[stage] = total.get(stage, 0.0) + value
        return total

    def absorb(self, path: Path) -> None:
        """Take over what another journal has planned, answered and rejected."""
        self.connection.execute("ATTACH ? AS other", (str(path),))
        with self.connection:
            for table in ("tasks", "answers", "rejections"):
                self.connection.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM other.{table}")
        self.connection.execute("DETACH other")

    def close(self) -> None:
        """Leave the file."""
        self.connection.close()


def _images(series: Series) -> str:
    return json.dumps(series.images)


def _series(record: dict[str, Any]) -> Series:
    record["images"] = tuple(Location(*image) for image in record["images"])
    record["findings"] = tuple(Finding(Code(code), sentence) for code, sentence in record["findings"])
    return Series(**record)
