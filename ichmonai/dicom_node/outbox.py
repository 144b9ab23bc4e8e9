"""What a node has to send, what was taken, and what that replaces."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ichmonai.dicom_node.counts import count, count_seconds, last_image
from ichmonai.dicom_node.journal import Journal

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


class Outbox(Journal):
    """The objects of answers, a row for each destination of each."""

    def _put(
        self, base: sqlite3.Connection, study: str, objects: Sequence[tuple[str, str, str, str]], urgent: bool
    ) -> None:
        """What is sent already is not sent again; what was replaced, and stands again, is no longer replaced."""
        base.executemany(
            "INSERT INTO outbox (study, urgent, made, destination, sop, series, file) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (destination, sop) DO UPDATE SET superseded = 0, tries = 0, due = 0, "
            "urgent = excluded.urgent, made = excluded.made, file = excluded.file WHERE superseded AND note IS NULL",
            [(study, int(urgent), time.time(), *one) for one in objects],
        )

    def _supersede(self, base: sqlite3.Connection, study: str, kept: Sequence[str]) -> None:
        """Have what is of an earlier answer sent no more; a row that is being sent just now keeps note of it."""
        rows = base.execute(
            "SELECT id, sop FROM outbox WHERE study = ? AND NOT superseded AND sop NOT IN "
            "(SELECT note FROM outbox WHERE study = ? AND note IS NOT NULL)",
            (study, study),
        ).fetchall()
        base.executemany(
            "UPDATE outbox SET superseded = 1, sent = COALESCE(sent, stored) WHERE id = ?",  # no longer asked for
            [(number,) for number, sop in rows if sop not in kept],
        )

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

    def superseded(self, destination: str) -> dict[str, list[tuple[str, str, str]]]:
        """What an archive has of earlier answers and no note rejects, by study; once all of the new one was taken.

        Args:
            destination: of the archive.

        Returns:
            SOPInstanceUID, SeriesInstanceUID and name of the file of each.
        """
        found: dict[str, list[tuple[str, str, str]]] = {}
        rows = self._rows(
            "SELECT study, sop, series, file FROM outbox AS old WHERE destination = ? AND superseded AND note IS NULL "
            "AND sent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM waiting WHERE waiting.study = old.study AND "
            "waiting.destination = old.destination) ORDER BY id",
            destination,
        )
        for study, sop, series, file in rows:
            found.setdefault(study, []).append((sop, series, Path(file).name))
        return found

    def reject(
        self, destination: str, study: str, note: tuple[str, str, str], objects: Sequence[tuple[str, str, str]]
    ) -> None:
        """Note a note that rejects objects, which is to be sent.

        Args:
            destination: whose archive has them.
            study: StudyInstanceUID.
            note: SOPInstanceUID, SeriesInstanceUID and file of it.
            objects: what it rejects, as `superseded` has it.
        """
        with self._changing() as base:
            self._put(base, study, [(destination, *note)], urgent=False)
            base.executemany(
                "UPDATE outbox SET note = ? WHERE destination = ? AND sop = ?",
                [(note[0], destination, sop) for sop, _, _ in objects],
            )
            base.executemany(
                "INSERT INTO audit VALUES (?, 'rejected', ?, ?, ?)",
                [(time.time(), destination, study, sop) for sop, _, _ in objects],
            )

    def due(self, destination: str) -> list[Item]:
        """What is to be sent now, of one study: the most urgent, then the oldest."""
        rows = self._rows(
            "SELECT id, study, sop, file, tries, stored IS NOT NULL FROM waiting "
            "WHERE destination = ? AND due <= ? ORDER BY urgent DESC, id",
            destination,
            time.time(),
        )
        return [Item(*row) for row in rows if row[1] == rows[0][1]]

    def waits(self, item: Item) -> bool:
        """Whether an object is still to be sent, and of no earlier answer."""
        return bool(self._rows("SELECT 1 FROM waiting WHERE id = ?", item.id))

    def sent(self, item: Item, destination: str) -> None:
        """Note that an archive took an object, which ends the matter."""
        with self._changing() as base:
            _deliver(base, "sent", item.id, destination, item.study, item.sop)

    def stored(self, item: Item) -> None:
        """Note that an archive took an object, and is to say yet that it keeps it."""
        with self._changing() as base:
            now = time.time()
            base.execute(
                "UPDATE outbox SET stored = ?, tries = 0, due = 0, sent = IIF(superseded, ?, sent) WHERE id = ?",
                (now, now, item.id),
            )

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

    def waiting(self) -> dict[str, tuple[int, float]]:
        """What waits for each destination: how many objects, and since when the oldest does (seconds since 1970)."""
        query = "SELECT destination, COUNT(*), MIN(made) FROM waiting GROUP BY destination"
        return {destination: (count, made) for destination, count, made in self._rows(query)}


def _deliver(base: sqlite3.Connection, event: str, number: int, destination: str, study: str, sop: str) -> None:
    now = time.time()
    base.execute("UPDATE outbox SET sent = ? WHERE id = ?", (now, number))
    base.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (now, event, destination, study, sop))
    count(base, "sent", destination)
    if not base.execute("SELECT 1 FROM outbox WHERE (study, note) = (?, ?)", (study, sop)).fetchone():
        count_seconds(base, "delivery", now - last_image(base, study))
