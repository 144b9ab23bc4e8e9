"""A node with a network that answers in milliseconds, and an archive beside it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage
from pynetdicom import AE, evt

from ichmonai.dicom_node.config import Destination, NodeConfig
from ichmonai.dicom_node.node import Node
from ichmonai.dicom_node.receive import VERIFICATION
from tests.prediction.conftest import small_bundle
from tests.prediction.in_process import here

__all__ = ["small_bundle"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value; an error where there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


class Archive:
    """Takes what is sent, in its order."""

    def __init__(self, port: int, classes=(ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage)):
        self.port, self.taken = port, []
        self.entity = AE("ARCHIVE")
        for one in (*classes, VERIFICATION):
            self.entity.add_supported_context(one)
        self.server = self.entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: self.take(event))]
        )

    def take(self, event):
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.taken.append(dataset)
        return 0

    def close(self) -> None:
        if self.server in self.entity._servers:
            self.server.shutdown()

    def of(self, study: str, modality: str = "SR") -> list:
        return [one for one in list(self.taken) if (one.StudyInstanceUID, one.Modality) == (study, modality)]


@pytest.fixture
def archive() -> Iterator[Archive]:
    one = Archive(free_port())
    yield one
    one.close()


@pytest.fixture
def config(tmp_path: Path, archive: Archive) -> NodeConfig:
    destination = Destination("archive", "ARCHIVE", "127.0.0.1", archive.port, ("report", "pictures"), ())
    return NodeConfig(
        tmp_path / "node", host="127.0.0.1", port=free_port(), quiet_seconds=1, workers=1, destinations=(destination,)
    )


@contextlib.contextmanager
def running(config: NodeConfig, source: Any) -> Iterator[Node]:
    node = Node(config, source, here)
    thread = threading.Thread(target=node.run)
    thread.start()
    try:
        wait_for(lambda: listens(config.port), 20)
        yield node
    finally:
        node.ended.set()
        thread.join(60)


def send(config: NodeConfig, folder: Path, title: str = "SCANNER") -> list[int]:
    """Send the files of a folder as they are: the status of each, none where the node takes no association."""
    files = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    entity = AE(title)
    for pair in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in files}:
        entity.add_requested_context(*pair)
    association = entity.associate(config.host, config.port, ae_title=config.ae_title)
    if not association.is_established:
        return []
    statuses = [association.send_c_store(one).Status for one in files]
    association.release()
    return statuses


def with_senders(config: NodeConfig, *titles: str) -> NodeConfig:
    return replace(config, senders=titles)
