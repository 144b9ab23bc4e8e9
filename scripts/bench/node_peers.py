"""What is around a node that is timed: a scanner that sends phantom studies, and an archive."""

import contextlib
import copy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pydicom
from pydicom.uid import ComprehensiveSRStorage, generate_uid
from pynetdicom import AE, evt

LONGEST = 600.0
"""Seconds to wait for a report."""


@dataclass
class Archive:
    """Takes reports, and notes when each study's came."""

    came: dict[str, float] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def start(self) -> None:
        """Listen at a port that is free."""
        entity = AE("ARCHIVE")
        entity.add_supported_context(ComprehensiveSRStorage)
        entity.maximum_associations = 100
        handlers: list[Any] = [(evt.EVT_C_STORE, self.take)]
        server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = server.server_address[1]

    def take(self, event: Any) -> int:
        """Note that a report came."""
        with self.arrived:
            self.came[str(event.dataset.StudyInstanceUID)] = time.monotonic()
            self.arrived.notify_all()
        return 0

    def wait_for(self, study: str) -> float:
        """When the report of a study came."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: study in self.came, LONGEST):
                raise SystemExit(f"No report came of {study}.")
            return self.came[study]


def renamed(images: list[pydicom.Dataset]) -> Iterator[pydicom.Dataset]:
    """The images of a study as those of another one, of a patient of its own."""
    study, series = generate_uid(), generate_uid()
    for image in images:
        one = copy.deepcopy(image)
        one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID = study, series, generate_uid()
        one.PatientID = study[-16:]
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        yield one


def send(port: int, images: list[pydicom.Dataset]) -> tuple[str, float]:
    """Send a study by an association: its UID, and when its last image was acknowledged."""
    entity = AE("SCANNER")
    entity.dimse_timeout = entity.network_timeout = LONGEST
    entity.add_requested_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="ICHMONAI")
    if not association.is_established:
        raise SystemExit("The node takes no association.")
    for one in renamed(images):
        if association.send_c_store(one).get("Status") != 0:
            raise SystemExit("The node does not take an image.")
    last = time.monotonic()
    association.release()
    return str(one.StudyInstanceUID), last


def memory(root: psutil.Process) -> float:
    """MB of a process and all below it, pages that several share counted once."""
    total = 0
    for one in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            total += one.memory_full_info().pss
    return total / 2**20


def start_node(folder: Path, archive: Archive, quiet: float, weights: Path) -> tuple[subprocess.Popen, int]:
    """A node, and the port at which it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "node.toml"
    config.write_text(
        f'[node]\nfolder = "node"\nport = {port}\nquiet_seconds = {quiet}\n[[destination]]\nname = "archive"\n'
        f'ae_title = "ARCHIVE"\nhost = "127.0.0.1"\nport = {archive.port}\npositive = []\n'
    )
    command = [sys.executable, "-P", "-m", "ichmonai", "node", "--config", str(config), "--device", "cpu"]
    with (folder / "node.log").open("w") as log:
        process = subprocess.Popen([*command, "--set", f"ckpt_path={weights}"], stderr=log)
    entity = AE("BENCH")
    entity.add_requested_context("1.2.840.10008.1.1")
    while process.poll() is None:
        association = entity.associate("127.0.0.1", port, ae_title="ICHMONAI")
        if association.is_established:
            association.release()
            return process, port
        time.sleep(0.5)
    raise SystemExit((folder / "node.log").read_text())
