"""Receives images: on the disk and in the journal before they are answered."""

import contextlib
import hashlib
import io
import shutil
import sqlite3
import ssl
import threading
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from ichmonai.dicom_node.config import NodeConfig, Tls
from ichmonai.dicom_node.store import NodeStore
from ichmonai.private_files import make_folder, replacing

SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
_REASONS = {OUT_OF_RESOURCES: "out_of_resources", NOT_UNDERSTOOD: "not_understood"}
VERIFICATION = UID("1.2.840.10008.1.1")
STORED = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)


def stem(study: str) -> str:
    """What the folder of a study is called, whatever its UID holds."""
    return hashlib.sha256(study.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Receiver:
    """A C-STORE and C-ECHO SCP that takes CT images as they are sent, compressed or not.

    Args:
        config: of the node.
        store: its journal.
    """

    def __init__(self, config: NodeConfig, store: NodeStore) -> None:
        self.config, self.store = config, store
        self.entity = AE(config.ae_title)
        self.entity.require_called_aet = True
        self.entity.require_calling_aet = list(config.senders)
        self.entity.add_supported_context(VERIFICATION)
        for one in STORED:
            self.entity.add_supported_context(one, ALL_TRANSFER_SYNTAXES)
        self._server: Any = None
        self._writing = threading.Lock()

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises:
            OSError: the port is not free.
        """
        context = None if self.config.tls is None else tls_context(self.config.tls, server=True)
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take)]
        address = (self.config.host, self.config.port)
        self._server = self.entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=context)

    def close(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.shutdown()

    def _take(self, event: Any) -> int:
        status = self._store(event)
        if status != SUCCESS:
            with contextlib.suppress(sqlite3.Error):  # of a disk that is full
                self.store.refuse(_REASONS[status])
        return status

    def _store(self, event: Any) -> int:
        try:
            content = event.encoded_dataset(include_meta=True)
            header = pydicom.dcmread(
                io.BytesIO(content), specific_tags=["StudyInstanceUID", "SOPInstanceUID"], stop_before_pixels=True
            )
            study, sop = str(header.StudyInstanceUID), str(header.SOPInstanceUID)
        except Exception:  # pydicom raises errors of many kinds on what is no DICOM
            return NOT_UNDERSTOOD
        if not study or sop != str(event.request.AffectedSOPInstanceUID):
            return NOT_UNDERSTOOD
        folder = self.config.folder / "received" / stem(study)
        try:
            if shutil.disk_usage(self.config.folder).free < self.config.free_mb * 2**20:
                return OUT_OF_RESOURCES
            make_folder(folder)
            digest = hashlib.sha256(content).hexdigest()
            path = folder / f"{stem(sop)}.dcm"
            with self._writing:  # one image may come by two associations at once
                if not _holds(path, digest):
                    with replacing(path, "wb") as file:
                        file.write(content)
            self.store.receive(study, sop, digest, str(event.assoc.requestor.ae_title).strip())
        except (OSError, sqlite3.Error):
            return OUT_OF_RESOURCES
        return SUCCESS


def _holds(path: Path, digest: str) -> bool:
    """Whether a file holds what is sent again: then it keeps its time, and its answer."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def tls_context(tls: Tls, server: bool) -> ssl.SSLContext:
    """TLS 1.2 or later; both sides show a certificate of the authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    context.load_verify_locations(tls.authorities)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
