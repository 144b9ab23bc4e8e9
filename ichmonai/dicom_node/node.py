"""The node: receives, predicts and sends."""

import contextlib
import functools
import logging
import math
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pydicom

from ichmonai.dicom_node.background import Background
from ichmonai.dicom_node.config import Destination, NodeConfig
from ichmonai.dicom_node.inbox import Inbox, stem
from ichmonai.dicom_node.message import Messenger
from ichmonai.dicom_node.metrics import serve_metrics
from ichmonai.dicom_node.poll import Poller
from ichmonai.dicom_node.receive import Receiver
from ichmonai.dicom_node.reject import Rejector
from ichmonai.dicom_node.send import Sender
from ichmonai.dicom_node.store import NodeStore
from ichmonai.dicom_results.writer import DicomObjects
from ichmonai.errors import InputError
from ichmonai.prediction.report.templates import read_templates
from ichmonai.prediction.run import BatchOptions, Engine, Summary, run_batch
from ichmonai.prediction.source import Source
from ichmonai.private_files import make_folder

logger = logging.getLogger(__name__)
JOURNAL = "node.sqlite"
_POLL = 0.5
_PAUSE = 60.0
"""Seconds after which a study is tried again that got no answer."""


class Node:
    """Receives studies, predicts each that is complete with the code of `ichmonai predict`, and sends the objects.

    Everything is on the disk before it is acknowledged; a node that was killed goes on where it was.

    Args:
        config: what it is told.
        source: the bundle; one that stays loaded serves best.
        engine: how series are predicted.
    """

    def __init__(self, config: NodeConfig, source: Source, engine: Engine) -> None:
        self.config, self.source, self.engine = config, source, engine
        make_folder(config.folder)
        self.store = NodeStore(config.folder / JOURNAL)
        self.inbox = Inbox(config, self.store)
        self.receiver = Receiver(config, self.inbox)
        self.beside: list[Background] = [Sender(config, one, self.store) for one in config.destinations]
        self.beside += [Messenger(config, one, self.store) for one in config.messages]
        self.beside.append(Rejector(config, self.store))
        if config.poll:
            self.beside.append(Poller(config.poll, self.inbox, self.store))
        self.ended = threading.Event()
        self._later: dict[str, float] = {}
        self._listens = -math.inf

    def run(self) -> None:
        """Work until `ended` is set.

        Raises:
            OSError: the port is not free.
            InputError: that of metrics is not free.
        """
        metrics = serve_metrics(self.config, self.store) if self.config.metrics_port else None
        try:
            self.receiver.start()
            self._listens = time.monotonic()
            for one in self.beside:
                one.start()
            while not self.ended.is_set():
                if not self.predict_complete():
                    self.ended.wait(_POLL)
        finally:
            if metrics:
                metrics.shutdown()
                metrics.server_close()
            self.receiver.close()
            for one in self.beside:
                one.close()
            self.store.close()

    def predict_complete(self) -> int:
        """Predict the studies that are complete.

        Returns:
            how many were answered.
        """
        answered, quiet = 0, self.config.quiet_seconds
        if time.monotonic() - self._listens < quiet:  # while it was down, who was sending could not
            quiet = math.inf
        for study, changes in self.store.complete(quiet, self.config.images):
            if self._later.get(study, 0.0) > time.monotonic():
                continue
            try:
                self._predict(study, changes)
                answered += 1
            except Exception as error:  # a full disk, say; the others go on
                said = error if isinstance(error, InputError) else type(error).__name__
                logger.error("Study %s got no answer, and is tried again (%s).", study, said)
                self._failed()
                self._later[study] = time.monotonic() + _PAUSE
        return answered

    def _failed(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # of a disk that is full
            self.store.fail()

    def _predict(self, study: str, changes: int) -> None:
        received, own = self.config.folder / "received" / stem(study), self.config.folder / "answered" / stem(study)
        objects = own / "objects"
        make_folder(own)
        templates = read_templates(self.config.report_templates)
        results, given = own / "results", None
        while given != self.store.reports(study):  # an earlier report may be sent while a new one is made
            given = self.store.reports(study)
            writer = functools.partial(DicomObjects, objects, templates=templates, replaced=given)
            options = BatchOptions(workers=self.config.workers, more_writers=(writer,), templates=templates)
            summary = self._run(received, results, options)
        found = _objects(objects)
        chosen = [
            (one.name, sop, series, str(path))
            for one in self.config.destinations
            for kind, sop, series, path in found
            if kind in _wanted(one, bool(summary.positive))
        ]
        chosen += [
            (one.name, sop, "", str(path))  # of no series, for the archive does not get it by this
            for one in self.config.messages
            for kind, sop, _, path in found
            if kind == "report" and (one.always or summary.positive)
        ]
        outcome = "positive" if summary.positive else "negative" if summary.negative else "no_prediction"
        stand = tuple(sop for _, sop, _, _ in found)
        self.store.answer(study, changes, chosen, bool(summary.positive), outcome, stand)
        logger.info("Study %s: %d objects for %d destinations.", study, len(found), len(self.config.destinations))

    def _run(self, received: Path, results: Path, options: BatchOptions) -> Summary:
        try:
            return run_batch([received], results, self.source, self.engine, options, _Silent())
        except InputError:
            if not results.exists():
                raise
            shutil.rmtree(results)  # of other weights or another version, or damaged: all is predicted anew
            return run_batch([received], results, self.source, self.engine, options, _Silent())


class _Silent:
    """Is told how far a run is; see `ichmonai.prediction.run.Progress`."""

    def found(self, images: int) -> None:
        """Images were found."""

    def planned(self, series: int, done: int) -> None:
        """Series were planned."""

    def answered(self) -> None:
        """A series is done."""


def _wanted(destination: Destination, positive: bool) -> set[str]:
    return {*destination.always, *(destination.positive if positive else ())}


def _objects(folder: Path) -> list[tuple[str, str, str, Path]]:
    """Kind of `ichmonai.dicom_node.config.OBJECTS`, UIDs of object and series, and file of each; the report first."""
    found = []
    for path in sorted(folder.glob("*/*.dcm")):
        kind = path.stem if path.stem in ("report", "segmentation") else "pictures"
        header = pydicom.dcmread(path, specific_tags=["SOPInstanceUID", "SeriesInstanceUID"])
        found.append((kind, str(header.SOPInstanceUID), str(header.SeriesInstanceUID), path))
    return sorted(found, key=lambda one: one[0] != "report")
