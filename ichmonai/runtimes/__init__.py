"""What a trained network runs on: torch, ONNX Runtime or OpenVINO."""

from ichmonai.runtimes.choose import RuntimeChoice, RuntimeNetwork, on_runtime
from ichmonai.runtimes.formats import describe, export_network, read_facts
from ichmonai.runtimes.names import FORMATS, PRECISIONS, RUNTIMES

__all__ = [
    "FORMATS",
    "PRECISIONS",
    "RUNTIMES",
    "RuntimeChoice",
    "RuntimeNetwork",
    "describe",
    "export_network",
    "on_runtime",
    "read_facts",
]
