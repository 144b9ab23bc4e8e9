"""A bundle that stays loaded, for servers."""

from pathlib import Path
from typing import Any

from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.source import Source


class Loaded:
    """A bundle that is opened once in this process; workers open it themselves.

    Args:
        source: the bundle.
    """

    def __init__(self, source: BundleSource) -> None:
        self.source = source
        self.parts: InferenceBundle | None = None

    @property
    def root(self) -> Path:
        """The bundle's folder."""
        return self.source.root

    @property
    def overlays(self) -> tuple[Path, ...]:
        """Further configs."""
        return self.source.overlays

    def open(self) -> InferenceBundle:
        """The parts, made at the first call."""
        if self.parts is None:
            self.parts = self.source.open()
        return self.parts

    def with_runtime(self, runtime: str) -> Source:
        """The same on a runtime that is named: this one where it is what the network runs on already."""
        choice = getattr(self.open().network, "choice", None)
        return self if choice and choice.record()["runtime"] == runtime else self.source.with_runtime(runtime)

    def __reduce__(self) -> tuple[Any, ...]:
        return Loaded, (self.source,)
