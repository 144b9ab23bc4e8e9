"""The record of a batch on disk: what was found, what is to be done, what is done."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError, printable
from ichmonai.io.contents import is_settled
from ichmonai.io.findings import Code, Finding
from ichmonai.io.geometry import Geometry
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, Rejection, Series, Technique
from ichmonai.prediction.journal_file import check_journal, damaged, open_journal, stored, stored_row
from ichmonai.prediction.mask_file import Mask, pack, unpack
from ichmonai.prediction.rows import (
    PLAN_COLUMNS,
    REJECTED_COLUMNS,
    SLICE_COLUMNS,
    STUDY_COLUMNS,
    technique_columns,
    worklist_rank,
)
from ichmonai.prediction.steps import Answer
from ichmonai.runtimes.names import RUNTIMES

_CURRENT = "USING (study, series, request, state)"
"""Joins tasks and the answers that belong to what they ask for."""
_TASK_STATE = "SELECT state FROM tasks WHERE (study, series) = (?, ?)"


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
        self.path = path
        self.connection = open_journal(path)
        record = json.dumps(identity, sort_keys=True)
        before = self.connection.execute("SELECT record FROM identity").fetchone()
        if before is not None and before[0] != record:
            self.connection.close()
            raise InputError(
                f"{path.parent} holds results of another run (other {_difference(before[0], identity)}); choose a new "
                "folder, or empty this one."
            )
        with self.connection:
            if before is None:
                self.connection.execute("INSERT INTO identity VALUES (?)", (record,))
            # What failed is tried again, and so is what belongs to no known content.
            self.connection.execute("DELETE FROM answers WHERE code = ? OR content = ''", (Code.FAILED.value,))

    def begin(self, inputs: Iterable[str | PathLike[str]]) -> None:
        """Note what a run was given.

        Args:
            inputs: paths.

        Raises:
            InputError: an earlier run was given something else, whose rows the tables would lose.
        """
        paths = [printable(str(Path(path).absolute())) for path in inputs]
        for (before,) in self.connection.execute("SELECT path FROM inputs ORDER BY path"):
            if not any(Path(before).is_relative_to(path) for path in paths):
                raise InputError(
                    f"{self.path.parent} holds the results of {before}, which is not among these inputs; give it too, "
                    "to have all in the tables, or choose another folder."
                )
        with self.connection:
            self.connection.executemany("INSERT OR IGNORE INTO inputs VALUES (?)", [(path,) for path in paths])

    def identity(self) -> dict[str, Any]:
        """What decides the results."""
        (record,) = self.connection.execute("SELECT record FROM identity").fetchone()
        return stored(record, dict, self.path)

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
        tasks = [
            (one.study, one.series, _request(one), _state(one), str(one.images[0]), json.dumps(asdict(one)))
            for one in series
        ]
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?)", tasks)
            self.connection.executemany(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        one.study,
                        one.series,
                        one.path,
                        one.finding.code.value,
                        one.finding.sentence,
                        bool(one.series),
                    )
                    for one in rejections
                ],
            )

    def open_tasks(self) -> Iterator[Series]:
        """The series that have no answer yet, or one of other content."""
        for record, _ in self._tasks("answers.request IS NOT tasks.request OR answers.state IS NOT tasks.state"):
            yield _series(record)

    def touched_tasks(self) -> Iterator[tuple[Series, str]]:
        """The series that have an answer though their files were touched since, and the digest that it belongs to."""
        for record, content in self._tasks("answers.request = tasks.request AND answers.state != tasks.state"):
            yield _series(record), content

    def renew(self, series: Series) -> None:
        """Keep the answer to a series whose files were touched and hold what they held."""
        with self.connection:
            self.connection.execute(
                f"UPDATE answers SET state = ({_TASK_STATE}) WHERE (study, series) = (?, ?)",
                (series.study, series.series) * 2,
            )

    def replaced(self) -> int:
        """The number of planned series whose answer is of other content, and is to be replaced."""
        query = "SELECT COUNT(*) FROM tasks JOIN answers USING (study, series) "
        query += "WHERE answers.request != tasks.request OR answers.state != tasks.state"
        return self.connection.execute(query).fetchone()[0]

    def record(self, series: Series, answer: Answer) -> None:
        """Write the answer to a series, at once and as a whole."""
        code, sentence = answer.finding or ("", "")
        with self.connection:
            if answer.runtime:
                self.connection.execute("INSERT OR IGNORE INTO runtimes VALUES (?)", (answer.runtime["runtime"],))
            self.connection.execute(
                f"INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ({_TASK_STATE}), ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    series.study,
                    series.series,
                    _request(series),
                    series.study,
                    series.series,
                    answer.content,
                    worklist_rank(answer.study),
                    Code(code).value if code else "",
                    sentence,
                    json.dumps(answer.study),
                    json.dumps(answer.slices),
                    json.dumps(answer.seconds),
                    b"" if answer.mask is None or answer.geometry is None else pack(answer.mask, answer.geometry),
                ),
            )

    def runtime(self) -> str | None:
        """What the network ran on for all answers; None where it did not say, or ran on several."""
        found = self.connection.execute("SELECT runtime FROM runtimes").fetchall()
        if any(runtime not in RUNTIMES for (runtime,) in found):  # it becomes a setting, which can be code
            raise damaged(self.path, ValueError("a runtime is not known"))
        return found[0][0] if len(found) == 1 else None

    def count(self, condition: str = "1") -> int:
        """The number of planned series, all or those whose answer fulfils a condition."""
        query = f"SELECT COUNT(*) FROM tasks LEFT JOIN answers {_CURRENT} WHERE {condition}"
        return self.connection.execute(query).fetchone()[0]

    def study_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table of studies, in the order of `worklist_rank`."""
        rows = self.connection.execute(
            f"SELECT rank, study, series, code, study_row, location, record FROM tasks JOIN answers {_CURRENT} "
            # A study of which every series is refused has a row as well.
            "UNION ALL SELECT 0, study, '', REPLACE(GROUP_CONCAT(DISTINCT code), ',', ';'), '{}', MIN(location), '' "
            "FROM rejections WHERE is_series AND study NOT IN (SELECT study FROM tasks) GROUP BY study "
            "ORDER BY 1, 2, 3"
        )
        for _, study, series, code, row, path, task in rows:
            if not code:
                yield stored_row(stored(row, dict, self.path), {*STUDY_COLUMNS, *PLAN_COLUMNS}, self.path)
                continue
            scanned = technique_columns(_series(json.loads(task)).technique, None) if task else {}
            yield {"study": study, "series": series, "path": path, "outcome": "no_prediction", "flags": code, **scanned}

    def first_image(self, study: str, series: str) -> ImageSource | None:
        """Where the first image of a planned series is; None where it is not planned."""
        found = self.connection.execute(
            "SELECT record FROM tasks WHERE (study, series) = (?, ?)", (study, series)
        ).fetchone()
        return found and _series(json.loads(found[0])).images[0]

    def kept(self, masks: bool = False) -> Iterator[tuple[Series, Answer]]:
        """The planned series that have their answers, with these, by study and series; their masks for who asks."""
        for record, _ in self._tasks("answers.request = tasks.request AND answers.state = tasks.state"):
            series = _series(record)
            code, sentence, study, slices, content, packed = self.connection.execute(
                "SELECT code, sentence, study_row, slice_rows, content, mask FROM answers "
                "WHERE (study, series) = (?, ?)",
                (series.study, series.series),
            ).fetchone()
            mask, geometry = self._unpacked(packed) if masks and packed else (None, None)
            yield (
                series,
                Answer(
                    Finding(Code(code), sentence) if code else None,
                    stored_row(stored(study, dict, self.path), {*STUDY_COLUMNS, *PLAN_COLUMNS}, self.path),
                    [stored_row(row, SLICE_COLUMNS, self.path) for row in stored(slices, list, self.path)],
                    content=content,
                    mask=mask,
                    geometry=geometry,
                ),
            )

    def outcomes(self) -> dict[str, int]:
        """The number of rows of the table of studies, by outcome."""
        found = Counter(row.get("outcome") for row in self.study_rows())
        return {outcome: found[outcome] for outcome in ("positive", "negative", "no_prediction")}

    def slice_rows(self, study: str | None = None, series: str | None = None) -> Iterator[dict[str, Any]]:
        """Rows of the table of slices, by study and series, inferior to superior; all, or those of one series."""
        one, values = ("WHERE (study, series) = (?, ?)", (study, series)) if study is not None else ("", ())
        query = f"SELECT slice_rows FROM tasks JOIN answers {_CURRENT} {one} ORDER BY study, series"
        rows = self.connection.execute(query, values)
        for (record,) in rows:
            for row in stored(record, list, self.path):
                yield stored_row(row, SLICE_COLUMNS, self.path)

    def rejected_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table of rejections, by place."""
        rows = self.connection.execute(
            "SELECT study, series, location, code, sentence "
            f"FROM tasks JOIN answers {_CURRENT} WHERE code != '' "
            "UNION ALL SELECT study, series, location, code, sentence FROM rejections ORDER BY 3, 1, 2, 4, 5"
        )
        for row in rows:
            yield dict(zip(REJECTED_COLUMNS, row, strict=True))

    def seconds(self) -> dict[str, float]:
        """Time spent on all planned series together, by stage."""
        total: dict[str, float] = {}
        for (record,) in self.connection.execute(f"SELECT seconds FROM tasks JOIN answers {_CURRENT}"):
            for stage, value in stored(record, dict, self.path).items():
                if not isinstance(value, int | float):
                    raise damaged(self.path, ValueError("a time is no number"))
                total[stage] = total.get(stage, 0.0) + value
        return total

    def absorb(self, path: Path) -> None:
        """Take over what another journal has planned, answered and rejected."""
        self.connection.execute("ATTACH ? AS other", (str(path),))
        check_journal(self.connection, "other", path)
        if self.connection.execute("SELECT COUNT(*) FROM other.ended").fetchone()[0] == 0:
            raise InputError(f"{path.parent.name} did not end; start it again, then merge.")
        with self.connection:
            for table in ("tasks", "answers", "rejections"):
                self.connection.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM other.{table}")
        self.connection.execute("DETACH other")

    def end(self) -> None:
        """Say that everything that is planned has its answer, and the tables are written."""
        with self.connection:
            self.connection.execute("INSERT INTO ended VALUES (?)", (self.count(),))

    def forget(self) -> None:
        """Remove all answers."""
        with self.connection:
            self.connection.execute("DELETE FROM answers")

    def close(self) -> None:
        """Leave the file."""
        self.connection.close()

    def _unpacked(self, packed: bytes) -> tuple[Mask, Geometry]:
        try:
            return unpack(packed)
        except ValueError as error:
            raise damaged(self.path, error) from error

    def _tasks(self, condition: str) -> Iterator[tuple[dict[str, Any], str]]:
        last = ("", "")
        while True:
            # One row at a time: a long read would keep answers from being written.
            row = self.connection.execute(
                "SELECT study, series, tasks.record, content FROM tasks LEFT JOIN answers USING (study, series) "
                f"WHERE (study, series) > (?, ?) AND ({condition}) ORDER BY study, series LIMIT 1",
                last,
            ).fetchone()
            if row is None:
                return
            last = row[:2]
            yield json.loads(row[2]), row[3]


def _request(series: Series) -> str:
    """What was asked for: an answer to other images, or to other words of their headers, is another one."""
    return json.dumps([series.images, series.findings])


def _state(series: Series) -> str:
    """The state of all files; one that never comes again where a later change might not show."""
    if series.states and all(map(is_settled, series.states)):
        return hashlib.sha256("\n".join(series.states).encode()).hexdigest()
    return str(uuid.uuid4())


def _difference(before: str, identity: dict[str, Any]) -> str:
    try:
        old = json.loads(before)
        return ", ".join(name for name in identity if identity[name] != old.get(name))
    except (ValueError, AttributeError, RecursionError):
        return "and unknown identity"


def _series(record: dict[str, Any]) -> Series:
    record["images"] = tuple(ImageSource(*image) for image in record["images"])
    record["states"] = tuple(record["states"])
    record["technique"] = Technique(*record["technique"])
    record["findings"] = tuple(Finding(Code(code), sentence) for code, sentence in record["findings"])
    return Series(**record)
