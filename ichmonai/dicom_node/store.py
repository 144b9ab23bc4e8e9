"""What a node has received, answered and sent, in one file that survives being killed."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ichmonai.dicom_node.counts import count, count_seconds, last_image

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (study TEXT, sop TEXT, sha256 TEXT, PRIMARY KEY (study, sop));
CREATE TABLE IF NOT EXISTS polled (series TEXT PRIMARY KEY, images TEXT);
CREATE TABLE IF NOT EXISTS studies (study TEXT PRIMARY KEY, changes INTEGER, last REAL, answered INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, study TEXT, destination TEXT, sop TEXT, series TEXT, file TEXT, urgent INTEGER,
    tries INTEGER DEFAULT 0, due REAL DEFAULT 0, made REAL,
    stored REAL, asks INTEGER DEFAULT 0, sent REAL, UNIQUE (destination, sop));
CREATE INDEX IF NOT EXISTS waiting ON outbox (destination, urgent, id) WHERE sent IS NULL;
CREATE TABLE IF NOT EXISTS commitments (request TEXT, item INTEGER, PRIMARY KEY (request, item));
CREATE TABLE IF NOT EXISTS audit (at REAL, event TEXT, peer TEXT, study TEXT, sop TEXT);
CREATE TABLE IF NOT EXISTS counts (name TEXT, label TEXT, value REAL, PRIMARY KEY (name, label));
"""
REPORT = "report.dcm"
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 900.0


@dataclass(frozen=True)
class Item:
    """An object that waits to be sent.

    Attributes:
        id: of its row.
        study: StudyInstanceUID.
        sop: SOPInstanceUID.
        file: where it is.
        tries: how often it was tried in vain.
        stored: whether the archive took it, and has not yet said that it keeps it.
    """

    id: int
    study: str
    sop: str
    file: str
    tries: int
    stored: bool


class NodeStore:
    """The journal of a node: no identity but UIDs and AE titles.

    Args:
        path: SQLite file, made if absent.
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

    def receive(self, study: str, sop: str, sha256: str, peer: str) -> None:
        """Note an image that is on the disk; what was there before, with the same content, changes nothing."""
        with self._changing() as base:
            known = base.execute("SELECT sha256 FROM images WHERE (study, sop) = (?, ?)", (study, sop)).fetchone()
            base.execute("INSERT INTO audit VALUES (?, 'received', ?, ?, ?)", (time.time(), peer, study, sop))
            count(base, "received", peer)
            if known == (sha256,):
                return
            base.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", (study, sop, sha256))
            base.execute(
                "INSERT INTO studies VALUES (?, 1, ?, 0) "
                "ON CONFLICT (study) DO UPDATE SET changes = changes + 1, last = excluded.last",
                (study, time.time()),
            )

    def images(self, study: str) -> set[str]:
        """SOPInstanceUIDs of the images of a study that came."""
        return {sop for (sop,) in self._rows("SELECT sop FROM images WHERE study = ?", study)}

    def polled(self, series: str) -> str | None:
        """How many images a series had of which all were taken; None where that has not been."""
        return next((images for (images,) in self._rows("SELECT images FROM polled WHERE series = ?", series)), None)

    def note_polled(self, series: str, images: str) -> None:
        """Note that all images of a series were taken."""
        with self._changing() as base:
            base.execute("INSERT OR REPLACE INTO polled VALUES (?, ?)", (series, images))

    def refuse(self, reason: str) -> None:
        """Note an image that was not taken."""
        with self._changing() as base:
            count(base, "refused", reason)

    def fail(self) -> None:
        """Note a study that got no answer, and is tried again."""
        with self._changing() as base:
            count(base, "failed")

    def complete(self, quiet: float, images: int) -> list[tuple[str, int]]:
        """Studies that are complete and have no answer to all that came: UID, and how often they changed."""
        return self._rows(
            "SELECT study, changes FROM studies WHERE answered < changes AND (last <= ? OR (? > 0 AND ? <= "
            "(SELECT COUNT(*) FROM images WHERE images.study = studies.study))) ORDER BY last",
            time.time() - quiet,
            images,
            images,
        )

    def answer(
        self,
        study: str,
        changes: int,
        objects: list[tuple[str, str, str, str]],
        urgent: bool,
        outcome: str = "negative",
    ) -> None:
        """Note an answer and what is to be sent of it; what waits of an earlier one is not sent any more.

        Args:
            study: StudyInstanceUID.
            changes: how often it had changed before it was predicted.
            objects: destination, SOPInstanceUID, SeriesInstanceUID and file of each; of a message the report that it is
                made of, with no series.
            urgent: whether it overtakes others.
            outcome: positive, negative or no_prediction.
        """
        with self._changing() as base:
            kept = [sop for _, sop, _, _ in objects]
            for (sop,) in base.execute("SELECT sop FROM outbox WHERE study = ? AND sent IS NULL", (study,)).fetchall():
                if sop not in kept:
                    query = "UPDATE outbox SET sent = stored WHERE (study, sop) = (?, ?) AND sent IS NULL"
                    base.execute(query, (study, sop))  # no longer asked for
                    base.execute("DELETE FROM outbox WHERE (study, sop) = (?, ?) AND sent IS NULL", (study, sop))
            now = time.time()
            base.executemany(
                "INSERT OR IGNORE INTO outbox (study, urgent, made, destination, sop, series, file) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(study, int(urgent), now, *one) for one in objects],
            )
            base.execute("UPDATE studies SET answered = ? WHERE study = ?", (changes, study))
            base.execute("INSERT INTO audit VALUES (?, 'answered', '', ?, '')", (now, study))
            count(base, "answered", outcome)
            count_seconds(base, "answer", now - last_image(base, study))

    def reports(self, study: str) -> dict[str, list[tuple[str, str]]]:
        """Reports on a study that some archive has, by the name of their folder: SOPInstanceUID and SeriesInstanceUID.

        In the order in which they were made.
        """
        found: dict[str, list[tuple[str, str]]] = {}
        query = (
            "SELECT file, sop, series FROM outbox WHERE study = ? AND sent IS NOT NULL AND series <> '' "
            "GROUP BY sop ORDER BY MIN(id)"
        )
        for file, sop, series in self._rows(query, study):
            if Path(file).name == REPORT:
                found.setdefault(Path(file).parent.name, []).append((sop, series))
        return found

    def due(self, destination: str) -> list[Item]:
        """What is to be sent now, of one study: the most urgent, then the oldest."""
        rows = self._rows(
            "SELECT id, study, sop, file, tries, stored IS NOT NULL FROM outbox "
            "WHERE destination = ? AND sent IS NULL AND due <= ? ORDER BY urgent DESC, id",
            destination,
            time.time(),
        )
        return [Item(*row) for row in rows if row[1] == rows[0][1]]

    def sent(self, item: Item, destination: str) -> None:
        """Note that an archive took an object, which ends the matter."""
        with self._changing() as base:
            _deliver(base, "sent", item.id, destination, item.study, item.sop)

    def stored(self, item: Item) -> None:
        """Note that an archive took an object, and is to say yet that it keeps it."""
        with self._changing() as base:
            base.execute("UPDATE outbox SET stored = ?, tries = 0, due = 0 WHERE id = ?", (time.time(), item.id))

    def ask(self, request: str, items: Sequence[Item]) -> None:
        """Note that an archive is asked whether it keeps objects; without an answer it is asked again later.

        Args:
            request: its transaction UID.
            items: what was stored there.
        """
        with self._changing() as base:
            base.executemany("INSERT INTO commitments VALUES (?, ?)", [(request, one.id) for one in items])
            base.executemany(
                "UPDATE outbox SET asks = asks + 1, due = ? + MIN(?, 60.0 * (1 << MIN(asks, 12))) WHERE id = ?",
                [(time.time(), LONGEST_PAUSE, one.id) for one in items],
            )

    def commit(self, request: str, kept: Sequence[str], failed: Sequence[str]) -> bool:
        """Note what an archive answers: objects that it keeps are delivered, others are sent again.

        Args:
            request: transaction UID of what it was asked.
            kept: SOPInstanceUIDs.
            failed: of what it does not keep.

        Returns:
            whether it was asked that.
        """
        with self._changing() as base:
            rows = base.execute(
                "SELECT outbox.id, destination, study, sop, sent FROM commitments LEFT JOIN outbox ON outbox.id = item "
                "WHERE request = ?",
                (request,),
            ).fetchall()
            for number, destination, study, sop, sent in rows:
                if sent is None and sop in kept:
                    _deliver(base, "committed", number, destination, study, sop)
                elif sent is None and sop in failed:
                    query = "UPDATE outbox SET stored = NULL, tries = tries + 1, due = ? WHERE id = ?"
                    base.execute(query, (time.time() + FIRST_PAUSE, number))
            return bool(rows)

    def postpone(self, destination: str, item: Item) -> None:
        """Try what was not taken again later, after a pause that grows."""
        with self._changing() as base:
            count(base, "failed_sending", destination)
            base.execute(
                "UPDATE outbox SET tries = tries + 1, due = ? + MIN(?, ? * (1 << MIN(tries, 12))) WHERE id = ?",
                (time.time(), LONGEST_PAUSE, FIRST_PAUSE, item.id),
            )

    def note_silence(self, destination: str) -> None:
        """Note that nobody answers; what waits is due as before, so that the most urgent goes first when one does."""
        with self._changing() as base:
            count(base, "failed_sending", destination)
            base.execute(
                "UPDATE outbox SET tries = MAX(tries, 1) WHERE destination = ? AND sent IS NULL", (destination,)
            )

    def status(self) -> dict[str, int]:
        """Counts, for people and for machines that watch."""
        counts = {
            "images": "SELECT COUNT(*) FROM images",
            "studies": "SELECT COUNT(*) FROM studies",
            "studies_without_answer": "SELECT COUNT(*) FROM studies WHERE answered < changes",
            "objects_sent": "SELECT COUNT(*) FROM outbox WHERE sent IS NOT NULL",
            "objects_to_send": "SELECT COUNT(*) FROM outbox WHERE sent IS NULL",
            "objects_tried_in_vain": "SELECT COUNT(*) FROM outbox WHERE sent IS NULL AND tries > 0",
        }
        return {name: self._rows(query)[0][0] for name, query in counts.items()}

    def unanswered(self) -> int:
        """How many studies have no answer to all that came."""
        return int(self._rows("SELECT COUNT(*) FROM studies WHERE answered < changes")[0][0])

    def waiting(self) -> dict[str, tuple[int, float]]:
        """What waits for each destination: how many objects, and since when the oldest does (seconds since 1970)."""
        query = "SELECT destination, COUNT(*), MIN(made) FROM outbox WHERE sent IS NULL GROUP BY destination"
        return {destination: (count, made) for destination, count, made in self._rows(query)}

    def last_image(self) -> float:
        """When the last new image came (seconds since 1970); 0 where none did."""
        return float(self._rows("SELECT MAX(last) FROM studies")[0][0] or 0)

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


def _deliver(base: sqlite3.Connection, event: str, number: int, destination: str, study: str, sop: str) -> None:
    now = time.time()
    base.execute("UPDATE outbox SET sent = ? WHERE id = ?", (now, number))
    base.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (now, event, destination, study, sop))
    count(base, "sent", destination)
    count_seconds(base, "delivery", now - last_image(base, study))
