"""Rejects what a new answer replaces, in the archives that are told to be told of it."""

import logging
import sqlite3
from pathlib import Path

from ichmonai.dicom_node.background import Background
from ichmonai.dicom_node.config import NodeConfig
from ichmonai.dicom_node.inbox import stem
from ichmonai.dicom_node.store import NodeStore
from ichmonai.dicom_results.rejection import make_rejection
from ichmonai.private_files import make_folder, replacing

logger = logging.getLogger(__name__)
_POLL = 0.5
_PAUSE = 60.0
"""Seconds after which a note is tried again that could not be written."""


class Rejector(Background):
    """Makes a note where an archive has all of a new answer, and objects of an old one.

    The note waits in the journal as other objects do, and is sent as they are.

    Args:
        config: of the node.
        store: its journal.
    """

    def __init__(self, config: NodeConfig, store: NodeStore) -> None:
        super().__init__()
        self.config, self.store = config, store

    def work(self) -> float:
        """Make the notes that are due."""
        try:
            for destination in self.config.destinations:
                if destination.reject_superseded:
                    for study, objects in self.store.superseded(destination.name).items():
                        self._reject(destination.name, study, objects)
        except (OSError, sqlite3.Error, ValueError) as error:  # a disk that is full, say
            logger.warning("A note of what is replaced was not made (%s); it is tried again.", type(error).__name__)
            return _PAUSE
        return _POLL

    def _reject(self, destination: str, study: str, objects: list[tuple[str, str, str]]) -> None:
        image = next((self.config.folder / "received" / stem(study)).glob("*.dcm"), None)
        if image is None:  # it was deleted, and nobody knows the patient
            return
        folder = self.config.folder / "answered" / stem(study) / "rejected"
        made = make_rejection(image, objects, len(list(folder.glob("*.dcm"))) + 1)
        path: Path = folder / f"{made.SOPInstanceUID}.dcm"
        if not path.exists():  # as another archive gets it, or as it was when the node was killed
            make_folder(folder)
            with replacing(path, "wb") as file:
                made.save_as(file, enforce_file_format=True)
        note = (str(made.SOPInstanceUID), str(made.SeriesInstanceUID), str(path))
        self.store.reject(destination, study, note, objects)
