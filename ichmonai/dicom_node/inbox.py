"""Keeps images that come: on the disk and in the journal before anybody is told that they are."""

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pydicom

from ichmonai.dicom_node.config import NodeConfig
from ichmonai.dicom_node.store import NodeStore
from ichmonai.private_files import make_folder, replacing

SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
_REASONS = {OUT_OF_RESOURCES: "out_of_resources", NOT_UNDERSTOOD: "not_understood"}


def stem(study: str) -> str:
    """What the folder of a study is called, whatever its UID holds."""
    return hashlib.sha256(study.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Inbox:
    """The images of a node, a folder for each study.

    Args:
        config: of the node.
        store: its journal.
    """

    def __init__(self, config: NodeConfig, store: NodeStore) -> None:
        self.config, self.store = config, store
        self._partial = config.folder / "incoming"
        self._writing = threading.Lock()
        shutil.rmtree(self._partial, ignore_errors=True)  # what was not whole when a node was killed

    def keep(self, content: bytes, sop: str, peer: str) -> int:
        """Keep an image.

        Args:
            content: of its file.
            sop: SOPInstanceUID that its sender says.
            peer: who sent it.

        Returns:
            Status of C-STORE: success; out of resources where the disk is full, not understood where it is no image.
        """
        status = self._keep(content, sop, peer)
        if status != SUCCESS:
            with contextlib.suppress(sqlite3.Error):  # of a disk that is full
                self.store.refuse(_REASONS[status])
        return status

    def _keep(self, content: bytes, sop: str, peer: str) -> int:
        try:
            header = pydicom.dcmread(
                io.BytesIO(content), specific_tags=["StudyInstanceUID", "SOPInstanceUID"], stop_before_pixels=True
            )
            study = str(header.StudyInstanceUID)
            if not study or sop != str(header.SOPInstanceUID):
                return NOT_UNDERSTOOD
        except Exception:  # pydicom raises errors of many kinds on what is no DICOM
            return NOT_UNDERSTOOD
        digest = hashlib.sha256(content).hexdigest()
        path = self.config.folder / "received" / stem(study) / f"{stem(sop)}.dcm"
        try:
            if shutil.disk_usage(self.config.folder).free < self.config.free_mb * 2**20:
                return OUT_OF_RESOURCES
            with self._writing:  # one image may come by two associations at once
                new = not path.exists()
                if not _holds(path, digest):
                    self._write(path, content)
                try:
                    self.store.receive(study, sop, digest, peer)
                except sqlite3.Error:
                    if new:  # what is refused is in no answer
                        path.unlink()
                    raise
        except (OSError, sqlite3.Error):
            return OUT_OF_RESOURCES
        return SUCCESS

    def _write(self, path: Path, content: bytes) -> None:
        """Into a folder of its own first: a study may be read while more of it comes."""
        make_folder(self._partial)
        make_folder(path.parent)
        with replacing(self._partial / path.name, "wb") as file:
            file.write(content)
        (self._partial / path.name).replace(path)
        _sync_folder(path.parent)


def _holds(path: Path, digest: str) -> bool:
    """Whether a file holds what is sent again: then it keeps its time, and its answer."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _sync_folder(path: Path) -> None:
    """Have a new name on the disk, too, where the system can."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
