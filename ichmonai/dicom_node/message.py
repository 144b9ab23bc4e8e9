"""Tells other systems of answers: a webhook, or HL7."""

import contextlib
import csv
import datetime
import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ichmonai import __version__
from ichmonai.csv_cells import cell_text
from ichmonai.dicom_node.config import Message, NodeConfig
from ichmonai.dicom_node.hl7 import deliver, observation_report
from ichmonai.dicom_node.outbox import Item
from ichmonai.dicom_node.send import Outgoing
from ichmonai.dicom_node.store import NodeStore

logger = logging.getLogger(__name__)
_TIMEOUT = 30
_SAID = ("outcome", "p_ich", "location", "kinds", "volume_ml", "impression")
"""Columns of the table of studies that a message has."""


class Messenger(Outgoing):
    """Sends a message of each answer, the most urgent first.

    Args:
        config: of the node.
        message: whom to tell, and how.
        store: the node's journal.
    """

    def __init__(self, config: NodeConfig, message: Message, store: NodeStore) -> None:
        super().__init__(message.name, store)
        self.config, self.message = config, message

    def send_study(self) -> bool:
        """As `Outgoing.send_study`."""
        items = self.store.due(self.name)
        taken = [self._tell(item) for item in items]
        return bool(taken) and all(taken)

    def _tell(self, item: Item) -> bool:
        try:
            report = pydicom.dcmread(item.file)
            answer = _answer(Path(item.file).parents[2] / "results" / "studies.csv", str(report.StudyInstanceUID))
        except (OSError, InvalidDicomError):  # it holds up no others
            logger.warning("An answer for %s cannot be read; it waits.", self.name)
            self.store.postpone(self.name, item)
            return False
        if report.SOPInstanceUID != item.sop:  # that of a new answer, which is not noted yet
            self.store.postpone(self.name, item)
            return False
        made = datetime.datetime.now().astimezone()
        if self.message.url:
            taken = _post(self.message, report, answer, made)
        else:
            receiver = self.message.application, self.message.facility
            text = observation_report(report, answer, self.config.ae_title, receiver, made)
            taken = deliver(self.message.host, self.message.port, text, _TIMEOUT)
        if taken:
            self.store.sent(item, self.name)
        else:
            self.store.postpone(self.name, item)
        return taken


def listens(message: Message) -> bool:
    """Whether somebody listens where messages go; nothing is sent."""
    parts = urlsplit(message.url)
    host = parts.hostname or message.host
    port = parts.port or message.port or {"https": 443}.get(parts.scheme, 80)
    with contextlib.suppress(OSError), socket.create_connection((host, port), _TIMEOUT):
        return True
    return False


def _post(message: Message, report: Dataset, answer: Mapping[str, str], made: datetime.datetime) -> bool:
    """As JSON; it names the study and the report by UIDs, and no patient."""
    import requests

    content = {
        "study_instance_uid": str(report.StudyInstanceUID),
        "report_sop_instance_uid": str(report.SOPInstanceUID),
        **answer,
        "made": made.isoformat(timespec="seconds"),
        "software": f"ichmonai {__version__}",
    }
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(report.SOPInstanceUID)}
    if message.token is not None:
        headers["Authorization"] = f"Bearer {message.token.read_text(encoding='utf-8').strip()}"
    answered = requests.post(
        message.url, data=json.dumps(content), headers=headers, timeout=_TIMEOUT, allow_redirects=False
    )
    return 200 <= answered.status_code < 300


def _answer(table: Path, study: str) -> dict[str, str]:
    """What the table of studies says of a study; its rows are those of the series that were answered."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["study"] == study]
    row = next((row for row in rows if row["outcome"]), rows[0] if rows else {})
    return {name: cell_text(row.get(name) or "").strip() for name in _SAID}
