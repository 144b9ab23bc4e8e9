"""The file of a node: one of SQLite, which survives being killed."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (study TEXT, sop TEXT, sha256 TEXT, PRIMARY KEY (study, sop));
CREATE TABLE IF NOT EXISTS polled (series TEXT PRIMARY KEY, images TEXT);
CREATE TABLE IF NOT EXISTS studies (study TEXT PRIMARY KEY, changes INTEGER, last REAL, answered INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, study TEXT, destination TEXT, sop TEXT, series TEXT, file TEXT, urgent INTEGER,
    tries INTEGER DEFAULT 0, due REAL DEFAULT 0, made REAL, stored REAL, asks INTEGER DEFAULT 0, sent REAL,
    superseded INTEGER DEFAULT 0, note TEXT, UNIQUE (destination, sop));
CREATE VIEW IF NOT EXISTS waiting AS SELECT * FROM outbox WHERE sent IS NULL AND NOT superseded;
CREATE INDEX IF NOT EXISTS to_send ON outbox (destination, urgent, id) WHERE sent IS NULL;
CREATE INDEX IF NOT EXISTS to_reject ON outbox (destination, study) WHERE superseded AND note IS NULL;
CREATE INDEX IF NOT EXISTS of_study ON outbox (study);
CREATE TABLE IF NOT EXISTS commitments (request TEXT, item INTEGER, PRIMARY KEY (request, item));
CREATE TABLE IF NOT EXISTS audit (at REAL, event TEXT, peer TEXT, study TEXT, sop TEXT);
CREATE TABLE IF NOT EXISTS counts (name TEXT, label TEXT, value REAL, PRIMARY KEY (name, label));
"""


class Journal:
    """The file: no identity is in it but UIDs and AE titles.

    Args:
        path: made if absent.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.Lock()
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # what was answered is on the disk
        self._connection.executescript(_SCHEMA)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection

    def _rows(self, query: str, *values: Any) -> list[tuple]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def counts(self, name: str) -> dict[str, float]:
        """What was counted since the folder is there, by label."""
        return dict(self._rows("SELECT label, value FROM counts WHERE name = ?", name))

    def audit(self) -> list[tuple]:
        """Time, event, AE title or destination, study and object, in their order."""
        return self._rows("SELECT * FROM audit ORDER BY rowid")

    def close(self) -> None:
        """Leave the file."""
        with self._lock:
            self._connection.close()
