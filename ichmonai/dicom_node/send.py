"""Sends objects to the archives, again and again until they are taken."""

import contextlib
import functools
import logging
import sqlite3
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)
from pynetdicom import AE, evt

from ichmonai.dicom_node.background import Background
from ichmonai.dicom_node.commitment import PUSH_MODEL, request, take_report
from ichmonai.dicom_node.config import Destination, NodeConfig
from ichmonai.dicom_node.outbox import FIRST_PAUSE, LONGEST_PAUSE, Item
from ichmonai.dicom_node.receive import VERIFICATION, tls_context
from ichmonai.dicom_node.store import NodeStore

logger = logging.getLogger(__name__)
_OBJECTS = {
    "report": ComprehensiveSRStorage,
    "pictures": SecondaryCaptureImageStorage,
    "segmentation": SegmentationStorage,
}
_WARNINGS = (0xB000, 0xB006, 0xB007)
"""The object was stored all the same (PS3.4 B.2.3)."""
_POLL = 0.5
_SAME_ASSOCIATION = 1.0
"""Seconds for an archive to answer a request for commitment by the association by which it was asked."""


class Outgoing(Background):
    """Sends what waits under a name, the most urgent study first.

    Args:
        name: in the journal.
        store: the node's journal.
    """

    def __init__(self, name: str, store: NodeStore) -> None:
        super().__init__()
        self.name, self.store = name, store
        self._silent = 0  # times one after the other

    def work(self) -> float:
        """Send what is due of one study."""
        try:
            taken = self.send_study()
        except OSError as error:  # nobody answers: all of it waits, and keeps its order
            logger.warning("%s does not answer (%s).", self.name, type(error).__name__)
            self._silent += 1
            with contextlib.suppress(sqlite3.Error):  # of a disk that is full
                self.store.note_silence(self.name)
            return min(FIRST_PAUSE * 2 ** min(self._silent - 1, 12), LONGEST_PAUSE)
        except Exception as error:  # what is due cannot be sent; what is not may be
            logger.warning("Sending to %s failed (%s).", self.name, type(error).__name__)
            with contextlib.suppress(sqlite3.Error):
                for item in self.store.due(self.name):
                    self.store.postpone(self.name, item)
            return _POLL
        self._silent = 0
        return 0.0 if taken else _POLL

    @abstractmethod
    def send_study(self) -> bool:
        """Send what is due of one study.

        Returns:
            whether there was something, and all of it was taken.

        Raises:
            OSError: nobody answers.
        """


class Sender(Outgoing):
    """Sends objects to one destination.

    Args:
        config: of the node.
        destination: where to.
        store: the node's journal.
    """

    def __init__(self, config: NodeConfig, destination: Destination, store: NodeStore) -> None:
        super().__init__(destination.name, store)
        self.config, self.destination = config, destination

    def send_study(self) -> bool:
        """As `Outgoing.send_study`."""
        items = self.store.due(self.destination.name)
        if not items:
            return False
        if self.destination.url:
            return self._note(items, functools.partial(_is_taken_by_web, self.destination.url))
        answered = threading.Event()
        association = associate(self.config, self.destination, lambda event: self._take_report(event, answered))
        if association is None:
            raise ConnectionError
        try:
            taken = self._note([one for one in items if not one.stored], functools.partial(_is_taken, association))
            if self.destination.storage_commitment:
                self._ask(association, [one for one in self.store.due(self.destination.name) if one.stored], answered)
            return taken
        finally:
            association.release()

    def _ask(self, association: Any, items: list[Item], answered: threading.Event) -> None:
        """Ask for commitment; most archives answer by an association of their own, later."""
        if items:
            transaction = generate_uid(prefix=None)
            self.store.ask(transaction, items)
            if request(association, transaction, items):
                answered.wait(_SAME_ASSOCIATION)
            else:
                logger.warning("%s does not say whether it keeps what it takes.", self.destination.name)

    def _take_report(self, event: Any, answered: threading.Event) -> tuple[int, None]:
        said = take_report(event, self.store)
        answered.set()
        return said

    def _note(self, items: list[Item], is_taken: Callable[[Dataset], bool]) -> bool:
        taken = True
        for item in items:
            try:
                content = pydicom.dcmread(item.file)
            except (OSError, InvalidDicomError):  # it holds up no others
                logger.warning("An object for %s cannot be read; it waits.", self.destination.name)
                content = None
            if not self.store.waits(item):  # a new answer came while others were sent
                continue
            if content is not None and content.SOPInstanceUID != item.sop:
                content = None  # it is that of a new answer, which is not noted yet
            if content is None or not is_taken(content):
                self.store.postpone(self.destination.name, item)
                taken = False
            elif self.destination.storage_commitment:
                self.store.stored(item)
            else:
                self.store.sent(item, self.destination.name)
        return taken


def _is_taken_by_web(url: str, content: Dataset) -> bool:
    """STOW-RS; an error where nobody answers."""
    import requests
    from dicomweb_client.api import DICOMwebClient

    try:
        answer = DICOMwebClient(url).store_instances([content])
    except requests.HTTPError:  # it answers, and does not take it
        return False
    return not answer.get("FailedSOPSequence")


def _is_taken(association: Any, content: Dataset) -> bool:
    try:
        status = association.send_c_store(content)
    except ValueError:  # the archive does not take objects of this kind
        return False
    return "Status" in status and status.Status in (0, *_WARNINGS)


def associate(config: NodeConfig, destination: Destination, take: Callable[[Any], Any] | None = None) -> Any:
    """An association with an archive; None where it does not accept one.

    Args:
        config: of the node.
        destination: the archive.
        take: takes what it says of storage commitment by the same association.
    """
    entity = AE(config.ae_title)
    entity.acse_timeout = entity.network_timeout = 30
    asked = [*_OBJECTS.values(), VERIFICATION]
    asked += [KeyObjectSelectionDocumentStorage] if destination.reject_superseded else []
    asked += [PUSH_MODEL] if destination.storage_commitment else []
    for one in asked:
        entity.add_requested_context(one, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    tls = (tls_context(config.tls, server=False), destination.host) if destination.tls and config.tls else None
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take)] if take else []
    association = entity.associate(
        destination.host, destination.port, ae_title=destination.ae_title, tls_args=tls, evt_handlers=handlers
    )
    return association if association.is_established else None


def answers_echo(config: NodeConfig, destination: Destination) -> bool:
    """Whether an archive answers C-ECHO, or a search for studies where it is a DICOMweb server."""
    if destination.url:
        return web_answers(destination.url)
    association = associate(config, destination)
    if association is None:
        return False
    status = association.send_c_echo()
    association.release()
    return "Status" in status and status.Status == 0


def not_taken(config: NodeConfig, destination: Destination) -> list[str]:
    """What an archive does not accept of what it is to be sent, as the config calls it; of DICOMweb nobody knows."""
    association = None if destination.url else associate(config, destination)
    if association is None:
        return []
    accepted = {one.abstract_syntax for one in association.accepted_contexts}
    association.release()
    wanted = {name: _OBJECTS[name] for name in (*destination.always, *destination.positive)}
    wanted |= {"reject_superseded": KeyObjectSelectionDocumentStorage} if destination.reject_superseded else {}
    wanted |= {"storage_commitment": PUSH_MODEL} if destination.storage_commitment else {}
    return [name for name, kind in wanted.items() if kind not in accepted]


def web_answers(url: str) -> bool:
    """Whether a DICOMweb server answers a search for studies."""
    import requests
    from dicomweb_client.api import DICOMwebClient

    try:
        DICOMwebClient(url).search_for_studies(limit=1)
    except requests.RequestException:
        return False
    return True
