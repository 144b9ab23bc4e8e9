"""Work that goes on beside the node's own."""

import threading
from abc import ABC, abstractmethod

_PATIENCE = 30.0
"""Seconds that are waited for what is under way when the node ends."""


class Background(ABC):
    """Something that is done again and again in a thread of its own."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what was not done is due after the next start."""
        self.ended.set()
        if self._thread.ident:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self.ended.is_set():
            self.ended.wait(self.work())

    @abstractmethod
    def work(self) -> float:
        """Do what is due.

        Returns:
            seconds until the next time.
        """
