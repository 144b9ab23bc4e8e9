"""What a node has received, answered and sent."""

import time

from ichmonai.dicom_node.counts import count, count_seconds, last_image
from ichmonai.dicom_node.outbox import Outbox


class NodeStore(Outbox):
    """The journal of a node: images that came, studies that they make up, and what is to be sent of their answers."""

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
        stand: tuple[str, ...] = (),
    ) -> None:
        """Note an answer and what is to be sent of it; what waits of an earlier one is not sent any more.

        Args:
            study: StudyInstanceUID.
            changes: how often it had changed before it was predicted.
            objects: destination, SOPInstanceUID, SeriesInstanceUID and file of each; of a message the report that it is
                made of, with no series.
            urgent: whether it overtakes others.
            outcome: positive, negative or no_prediction.
            stand: SOPInstanceUIDs of what else is of this answer, though nobody is sent it now.
        """
        with self._changing() as base:
            self._supersede(base, study, [*stand, *(sop for _, sop, _, _ in objects)])
            self._put(base, study, objects, urgent)
            now = time.time()
            base.execute("UPDATE studies SET answered = ? WHERE study = ?", (changes, study))
            base.execute("INSERT INTO audit VALUES (?, 'answered', '', ?, '')", (now, study))
            count(base, "answered", outcome)
            count_seconds(base, "answer", now - last_image(base, study))

    def status(self) -> dict[str, int]:
        """Counts, for people and for machines that watch."""
        counts = {
            "images": "SELECT COUNT(*) FROM images",
            "studies": "SELECT COUNT(*) FROM studies",
            "studies_without_answer": "SELECT COUNT(*) FROM studies WHERE answered < changes",
            "objects_sent": "SELECT COUNT(*) FROM outbox WHERE sent IS NOT NULL",
            "objects_to_send": "SELECT COUNT(*) FROM waiting",
            "objects_tried_in_vain": "SELECT COUNT(*) FROM waiting WHERE tries > 0",
        }
        return {name: self._rows(query)[0][0] for name, query in counts.items()}

    def unanswered(self) -> int:
        """How many studies have no answer to all that came."""
        return int(self._rows("SELECT COUNT(*) FROM studies WHERE answered < changes")[0][0])

    def last_image(self) -> float:
        """When the last new image came (seconds since 1970); 0 where none did."""
        return float(self._rows("SELECT MAX(last) FROM studies")[0][0] or 0)
