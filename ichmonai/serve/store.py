"""What a server knows, in an SQLite file: uploads, the studies in them, and what was refused."""

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ichmonai.prediction.rows import worklist_rank
from ichmonai.private_files import FILE_MODE, make_folder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, name TEXT, state TEXT, sentence TEXT DEFAULT '', created REAL, touched REAL,
    files INTEGER DEFAULT 0, bytes INTEGER DEFAULT 0, found INTEGER DEFAULT 0, series INTEGER DEFAULT 0,
    done INTEGER DEFAULT 0, attempts INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS studies (
    id TEXT PRIMARY KEY, upload TEXT REFERENCES uploads ON DELETE CASCADE, rank REAL, answered REAL,
    row TEXT, slices TEXT, images TEXT, warnings TEXT, facts TEXT
);
CREATE TABLE IF NOT EXISTS refusals (
    upload TEXT REFERENCES uploads ON DELETE CASCADE, place TEXT, code TEXT, sentence TEXT
);
CREATE INDEX IF NOT EXISTS study_rank ON studies (rank);
"""

STATES = UPLOADING, QUEUED, RUNNING, DONE, FAILED = "uploading", "queued", "running", "done", "failed"
"""States of an upload."""

ATTEMPTS = 2
"""Times that an upload is begun whose worker ends: a file may end it."""


class Store:
    """The database of a server; several processes and threads may hold it open.

    Args:
        folder: of the server's data; made if absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_folder(folder)
        self.file = folder / "serve.sqlite"
        self.file.touch(FILE_MODE)
        self._here = threading.local()
        with self.writing() as db:
            db.executescript(_SCHEMA)

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._here, "db"):
            db = sqlite3.connect(self.file, timeout=60, isolation_level=None)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA foreign_keys = ON")
            self._here.db = db
        return self._here.db

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is written as a whole, or not at all."""
        db = self.db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            if db.in_transaction:
                db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def place(self, upload: str) -> Path:
        """The folder of an upload: `files`, `results` and `volumes`."""
        return self.folder / "uploads" / upload

    def new_upload(self, name: str) -> str:
        """Begin an upload: its name, which nobody can guess."""
        upload = secrets.token_hex(8)
        with self.writing() as db:
            now = time.time()
            db.execute(
                "INSERT INTO uploads (id, name, state, created, touched) VALUES (?, ?, ?, ?, ?)",
                (upload, name, UPLOADING, now, now),
            )
        return upload

    def upload(self, upload: str) -> dict[str, Any] | None:
        """An upload; None where there is no such one."""
        return _dict(self.db.execute("SELECT * FROM uploads WHERE id = ?", (upload,)).fetchone())

    def uploads(self) -> list[dict[str, Any]]:
        """All uploads, the newest first."""
        return [dict(row) for row in self.db.execute("SELECT * FROM uploads ORDER BY created DESC, id")]

    def add_file(self, upload: str, size: int) -> None:
        """Count a file that has arrived."""
        with self.writing() as db:
            db.execute(
                "UPDATE uploads SET files = files + 1, bytes = bytes + ?, touched = ? WHERE id = ?",
                (size, time.time(), upload),
            )

    def used_bytes(self) -> int:
        """What all uploads take, as they came."""
        return self.db.execute("SELECT COALESCE(SUM(bytes), 0) FROM uploads").fetchone()[0]

    def set_state(self, upload: str, state: str, sentence: str = "") -> None:
        """Say how far an upload is."""
        with self.writing() as db:
            db.execute(
                "UPDATE uploads SET state = ?, sentence = ?, touched = ? WHERE id = ?",
                (state, sentence, time.time(), upload),
            )

    def submit(self, upload: str) -> bool:
        """Queue an upload that is being uploaded; whether it was."""
        with self.writing() as db:
            query = "UPDATE uploads SET state = ?, touched = ? WHERE id = ? AND state = ? AND files > 0"
            return db.execute(query, (QUEUED, time.time(), upload, UPLOADING)).rowcount == 1

    def requeue(self) -> None:
        """Queue what was at work when its worker ended; what ended it twice has failed."""
        with self.writing() as db:
            sentence = "Reading it ended its process twice; give the files one by one, and report the one that does."
            db.execute(
                "UPDATE uploads SET state = ?, sentence = ? WHERE state = ? AND attempts >= ?",
                (FAILED, sentence, RUNNING, ATTEMPTS),
            )
            db.execute("UPDATE uploads SET state = ? WHERE state = ?", (QUEUED, RUNNING))

    def forgive(self) -> None:
        """Do not count attempts that ended with the server itself."""
        with self.writing() as db:
            db.execute("UPDATE uploads SET attempts = 0 WHERE state = ?", (RUNNING,))

    def take(self) -> dict[str, Any] | None:
        """The upload that waits longest, which is now at work; None where none waits."""
        with self.writing() as db:
            query = "SELECT * FROM uploads WHERE state = ? ORDER BY touched, id LIMIT 1"
            row = db.execute(query, (QUEUED,)).fetchone()
            if row is not None:
                query = "UPDATE uploads SET state = ?, attempts = attempts + 1 WHERE id = ?"
                db.execute(query, (RUNNING, row["id"]))
        return _dict(row)

    def progress(self, upload: str, **counts: int) -> None:
        """Say how far the work is: `found` images, `series`, `done` of them."""
        names = [name for name in ("found", "series", "done") if name in counts]
        with self.writing() as db:
            for name in names:
                db.execute(f"UPDATE uploads SET {name} = ? WHERE id = ?", (counts[name], upload))  # noqa: S608

    def put_study(
        self,
        upload: str,
        row: Mapping[str, Any],
        slices: Sequence[Mapping[str, Any]] = (),
        images: Sequence[Sequence[Any]] = (),
        warnings: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep a study's answer in place of an earlier one.

        Args:
            upload: that it is of.
            row: of the table of studies.
            slices: its rows of the table of slices.
            images: what `load_head_ct` takes.
            warnings: sentences on its images.
            facts: weights, config and thresholds.

        Returns:
            The name of the study on the server.
        """
        study = study_id(upload, row)
        with self.writing() as db:
            db.execute(
                # Replacing the row would remove what readers have said of it.
                "INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "rank = excluded.rank, answered = excluded.answered, row = excluded.row, slices = excluded.slices, "
                "images = excluded.images, warnings = excluded.warnings, facts = excluded.facts",
                (
                    study,
                    upload,
                    worklist_rank(row),
                    time.time(),
                    *map(json.dumps, (dict(row), list(slices), list(images), list(warnings), dict(facts or {}))),
                ),
            )
        return study

    def finish(self, upload: str, refusals: Sequence[Mapping[str, Any]]) -> None:
        """Say that an upload is done, and what of it was refused."""
        with self.writing() as db:
            db.execute("DELETE FROM refusals WHERE upload = ?", (upload,))
            db.executemany(
                "INSERT INTO refusals VALUES (?, ?, ?, ?)",
                [(upload, one["path"], one["code"], one["sentence"]) for one in refusals],
            )
            query = "UPDATE uploads SET state = ?, sentence = '', touched = ? WHERE id = ?"
            db.execute(query, (DONE, time.time(), upload))

    def study(self, study: str) -> dict[str, Any] | None:
        """A study with its rows; None where there is no such one."""
        row = self.db.execute(
            "SELECT studies.*, uploads.name, uploads.created FROM studies JOIN uploads ON uploads.id = upload "
            "WHERE studies.id = ?",
            (study,),
        ).fetchone()
        return _study(row) if row is not None else None

    def studies(self, upload: str | None = None) -> list[dict[str, Any]]:
        """All studies in the order of the worklist, or those of an upload."""
        rows = self.db.execute(
            "SELECT studies.id, upload, rank, answered, row, '[]' AS slices, '[]' AS images, warnings, facts, name, "
            "created FROM studies JOIN uploads ON uploads.id = upload WHERE ?1 IS NULL OR upload = ?1 "
            "ORDER BY rank, created, studies.id",
            (upload,),
        )
        return [_study(row) for row in rows]

    def refusals(self) -> dict[str, list[dict[str, Any]]]:
        """What was refused, by upload."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.db.execute("SELECT * FROM refusals ORDER BY place"):
            found.setdefault(row["upload"], []).append(dict(row))
        return found

    def remove(self, upload: str) -> bool:
        """Forget an upload that is not at work, with all that belongs to it; whether it could be."""
        with self.writing() as db:
            query = "DELETE FROM uploads WHERE id = ? AND state != ?"
            return db.execute(query, (upload, RUNNING)).rowcount == 1


def study_id(upload: str, row: Mapping[str, Any]) -> str:
    """What a study is called: the same whenever its upload is predicted, and not to be guessed."""
    named = "\n".join((upload, str(row.get("study", "")), str(row.get("series", ""))))
    return sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _dict(row: sqlite3.Row | None) -> dict[str, Any] | None:
    return None if row is None else dict(row)


def _study(row: sqlite3.Row) -> dict[str, Any]:
    parsed = {name: json.loads(row[name]) for name in ("row", "slices", "images", "warnings", "facts")}
    return {**dict(row), **parsed}
