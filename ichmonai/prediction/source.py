"""What a batch is told to run: parts that turn a series into rows, and where they come from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from monai.transforms.compose import Compose
from torch import nn


class Parts(Protocol):
    """From a series to its rows; see `InferenceBundle`."""

    @property
    def preprocessing(self) -> Compose:
        """From an item with `image` locations to the network's input."""

    @property
    def network(self) -> nn.Module:
        """The network on its device and runtime."""

    @property
    def inferer(self) -> Callable[..., Any]:
        """How the network runs on slices."""

    @property
    def postprocessing(self) -> Compose:
        """From logits to probabilities."""

    @property
    def weights(self) -> Path:
        """File of the network's weights."""

    @property
    def placement(self) -> dict[str, Any]:
        """What was asked of the network's runtime: `runtime` and `precision`."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the results, see `identity_of`."""

    def setting(self, name: str) -> Any:
        """`device`, `threshold`, `decision`, `accept`, `calibration` or `description`."""


class Source(Protocol):
    """Where parts come from; it is sent to every worker, which opens it there."""

    @property
    def root(self) -> Path:
        """The bundle's folder."""

    @property
    def overlays(self) -> Sequence[Path]:
        """Further configs."""

    def open(self) -> Parts:
        """The parts."""

    def with_runtime(self, runtime: str) -> "Source":
        """The same on a runtime that is named."""
