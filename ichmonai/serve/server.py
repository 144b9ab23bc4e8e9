"""The server: the web application in this process, and one that predicts beside it."""

import logging
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvicorn

from ichmonai.prediction.bundle import BundleSource
from ichmonai.processes.contexts import prepare_workers, spawn_context
from ichmonai.serve.app import create_app
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.store import Store
from ichmonai.serve.worker import work

_PAUSE = 1.0
"""Seconds between looks at whether the other process is alive."""

logger = logging.getLogger(__name__)


class Predicting:
    """Keeps the process that predicts alive.

    Args:
        source: the bundle.
        options: of the server.
    """

    def __init__(self, source: BundleSource, options: ServeOptions) -> None:
        self.source, self.options = source, options
        self.store = Store(options.data)
        self.store.forgive()
        self._ended = threading.Event()
        self._process = self._start()
        self._watch = threading.Thread(target=self._restart_when_ended, daemon=True)
        self._watch.start()

    @property
    def alive(self) -> bool:
        """Whether it is at work or waits for some."""
        return self._process.is_alive()

    def close(self) -> None:
        """End it; what it was doing goes on when the server is started again."""
        self._ended.set()
        self._watch.join()
        self._process.terminate()
        self._process.join(5)
        self._process.kill()

    def _start(self) -> BaseProcess:
        self.store.requeue()
        process = spawn_context().Process(target=work, args=(self.source, self.options))  # type: ignore[attr-defined]
        process.start()
        return process

    def _restart_when_ended(self) -> None:
        while not self._ended.wait(_PAUSE):
            if not self._process.is_alive():
                logger.error("The process that predicts ended (%s); another is started.", self._process.exitcode)
                self._process = self._start()


def serve(
    source: BundleSource,
    options: ServeOptions,
    host: str,
    port: int,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until the process is told to end.

    Args:
        source: the bundle.
        options: of the server.
        host: address to listen at.
        port: the same.
        certificate: file, for TLS.
        key: its key.
    """
    prepare_workers()
    predicting = Predicting(source, options)
    try:
        uvicorn.run(
            create_app(options, predicting),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,  # names of files would be in it
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=5,
        )
    finally:
        predicting.close()
