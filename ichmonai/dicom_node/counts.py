"""Counts in the journal: they go on over restarts."""

import math
import sqlite3
import time

SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, math.inf)
"""Upper bounds of the classes in which times are counted."""


def count(base: sqlite3.Connection, name: str, label: str = "", by: float = 1) -> None:
    """Count something, once or so often."""
    base.execute(
        "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value",
        (name, label, by),
    )


def count_seconds(base: sqlite3.Connection, name: str, seconds: float) -> None:
    """Count a time in the first class that it fits, and sum it up."""
    count(base, f"{name}_seconds", repr(next(bound for bound in SECONDS if seconds <= bound)))
    count(base, f"{name}_seconds_sum", by=max(seconds, 0.0))


def last_image(base: sqlite3.Connection, study: str) -> float:
    """When the last image of a study came (seconds since 1970)."""
    found = base.execute("SELECT last FROM studies WHERE study = ?", (study,)).fetchone()
    return float(found[0]) if found else time.time()
