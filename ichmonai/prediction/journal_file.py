"""The SQLite file of a journal: made, or found to be one of this version and sound."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError, first_line
from ichmonai.prediction.rows import typed
from ichmonai.private_files import FILE_MODE

_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS identity (record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    study TEXT NOT NULL, series TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, content TEXT NOT NULL,
    rank REAL NOT NULL, code TEXT NOT NULL, sentence TEXT NOT NULL, study_row TEXT NOT NULL, slice_rows TEXT NOT NULL,
    seconds TEXT NOT NULL, mask BLOB NOT NULL, PRIMARY KEY (study, series)
);
CREATE TABLE IF NOT EXISTS runtimes (runtime TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS inputs (path TEXT PRIMARY KEY);
DROP TABLE IF EXISTS headers;
DROP TABLE IF EXISTS tasks;
DROP TABLE IF EXISTS rejections;
DROP TABLE IF EXISTS ended;
CREATE TABLE headers (study TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX headers_of_study ON headers (study);
CREATE TABLE tasks (
    study TEXT NOT NULL, series TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, location TEXT NOT NULL,
    record TEXT NOT NULL, PRIMARY KEY (study, series)
);
CREATE TABLE rejections (
    study TEXT NOT NULL, series TEXT NOT NULL, location TEXT NOT NULL, code TEXT NOT NULL, sentence TEXT NOT NULL,
    is_series INTEGER NOT NULL
);
CREATE TABLE ended (series INTEGER NOT NULL);
COMMIT;
"""
_MADE = "SELECT type, name, sql FROM {}.sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"


def open_journal(path: Path) -> sqlite3.Connection:
    """Open a journal and forget what is of an earlier run alone; it is made where it is absent.

    Args:
        path: file.

    Raises:
        InputError: where it is damaged, no journal, or one of another version.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
        with contextlib.suppress(PermissionError):  # of a file of another owner
            path.chmod(FILE_MODE)
        connection = sqlite3.connect(path)
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from error
    try:
        check_journal(connection, "main", path)
        connection.executescript(_SCHEMA)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def check_journal(connection: sqlite3.Connection, name: str, path: Path) -> None:
    """Check that a database is empty, or a sound journal and nothing else, before anything in it is used.

    Args:
        connection: to it.
        name: of the database in the connection.
        path: its file.

    Raises:
        InputError: where it is not.
    """
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        made = connection.execute(_MADE.format(name)).fetchall()
        found = connection.execute(f"PRAGMA {name}.quick_check(1)").fetchone()[0] if made else "ok"
    except (sqlite3.Error, UnicodeError) as error:  # sqlite3's own sentence may quote damaged bytes
        raise _unusable(path, error) from error
    if made and made != _expected():
        kind = "of another version" if {"identity", "answers"} <= {row[1] for row in made} else "no journal of ichmonai"
        raise InputError(f"{path} is {kind}; choose a new folder for the results, or empty this one.")
    if found != "ok":
        raise _unusable(path, ValueError(found))


def stored(text: str, kind: type, path: Path) -> Any:
    """A JSON value of a kind that stands in a journal.

    Raises:
        InputError: where it is none.
    """
    try:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise TypeError(f"a {kind.__name__} is missing")
        return value
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(path, error) from error


def stored_row(row: Any, columns: Iterable[str], path: Path) -> dict[str, Any]:
    """A value of a journal as the row of a table.

    Raises:
        InputError: where it is none.
    """
    try:
        if not isinstance(row, dict) or not row.keys() <= set(columns):
            raise TypeError("a row has other columns")
        for name, value in row.items():
            typed(name, value)
        return row
    except (ValueError, TypeError, OverflowError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> InputError:
    """What is said of a journal that holds what ichmonai does not write."""
    return InputError(
        f"{path} is damaged ({first_line(error)}); remove it and start the run again, which predicts everything anew."
    )


def _expected() -> list[tuple]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCHEMA)
        return connection.execute(_MADE.format("main")).fetchall()


def _unusable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or first_line(error)
    return InputError(f"{path} cannot be used ({reason}); choose another folder for the results.")
