"""Asks a DICOMweb server for images, where nobody sends them."""

import datetime
import functools
import io
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pydicom

from ichmonai.dicom_node.background import Background
from ichmonai.dicom_node.config import Poll
from ichmonai.dicom_node.inbox import OUT_OF_RESOURCES, Inbox
from ichmonai.dicom_node.receive import STORED
from ichmonai.dicom_node.store import NodeStore

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient

logger = logging.getLogger(__name__)
_PAGE = 200
_AS_STORED = (("application/dicom", "*"),)
_SERIES, _OBJECT, _CLASS, _IMAGES, _STUDY = "0020000E", "00080018", "00080016", "00201209", "0020000D"
"""SeriesInstanceUID, SOPInstanceUID, SOPClassUID, NumberOfSeriesRelatedInstances, StudyInstanceUID."""


class Poller(Background):
    """Finds studies by QIDO-RS and takes by WADO-RS the images of them that are not there yet.

    Args:
        poll: whom to ask for what.
        inbox: keeps what comes.
        store: the node's journal.
    """

    def __init__(self, poll: Poll, inbox: Inbox, store: NodeStore) -> None:
        super().__init__()
        self.poll, self.inbox, self.store = poll, inbox, store

    def work(self) -> float:
        """Take what is new; whatever a server answers, the next time may be better."""
        try:
            self.ask()
        except Exception as error:
            logger.warning("Asking %s failed (%s).", self._peer, type(error).__name__)
        return self.poll.every

    def ask(self) -> None:
        """Take what is new."""
        from dicomweb_client.api import DICOMwebClient

        client = DICOMwebClient(self.poll.url)
        since = datetime.date.today() - datetime.timedelta(days=self.poll.days)  # as modalities write it, in local time
        wanted = {"StudyDate": f"{since:%Y%m%d}-", "ModalitiesInStudy": self.poll.modality}
        of_modality = {"Modality": self.poll.modality}
        for one in _pages(functools.partial(client.search_for_studies, search_filters=wanted), _STUDY):
            study = _value(one, _STUDY)
            series = functools.partial(client.search_for_series, study, search_filters=of_modality)
            for found in _pages(series, _SERIES):
                if not self._take(client, study, _value(found, _SERIES), _value(found, _IMAGES)):
                    return

    def _take(self, client: "DICOMwebClient", study: str, series: str, images: str) -> bool:
        """Take the images of a series: whether there is room for more, and nobody ends the node."""
        if images and self.store.polled(series) == images:
            return True
        known = self.store.images(study)
        for one in _pages(functools.partial(client.search_for_instances, study, series), _OBJECT):
            sop = _value(one, _OBJECT)
            if sop in known or _value(one, _CLASS) not in STORED:
                continue
            if self.ended.is_set():
                return False
            taken = client.retrieve_instance(study, series, sop, media_types=_AS_STORED)
            if self.inbox.keep(_content(taken), sop, self._peer) == OUT_OF_RESOURCES:
                return False
        self.store.note_polled(series, images)
        return True

    @property
    def _peer(self) -> str:
        return urlsplit(self.poll.url).hostname or ""


def _pages(search: Callable[..., list[dict[str, Any]]], key: str) -> Iterator[dict[str, Any]]:
    """All that a search finds, of servers that answer in pages and of those that do not know how."""
    seen: set[str] = set()
    while True:
        page = search(offset=len(seen), limit=_PAGE)
        new = {_value(one, key): one for one in page if _value(one, key) not in seen}
        if not new:
            return
        seen |= new.keys()
        yield from new.values()


def _value(found: dict[str, Any], tag: str) -> str:
    """Of an answer in DICOM JSON; nothing where it does not say it."""
    return str(next(iter(found.get(tag, {}).get("Value", ())), ""))


def _content(taken: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, taken, enforce_file_format=True)
    return file.getvalue()
