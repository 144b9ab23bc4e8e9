"""Libraries that are imported with care."""

import functools
import sys
from types import ModuleType
from typing import Any


def openvino() -> ModuleType:
    """OpenVINO without telemetry: by default its import alone reports to a server, which no clinic wants.

    OpenVINO and NNCF take a stub where `openvino_telemetry` cannot be imported, which is how it is switched off here.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@functools.cache
def openvino_core() -> Any:
    """OpenVINO's `Core`, one for as long as the process lives.

    Its CPU plugin gives the thread that loads it another stack for signals, and takes that away with the last `Core`
    and network, in whatever thread these end: in another one, the next signal ends the process without a word (2026.4).
    """
    return openvino().Core()


def nncf() -> ModuleType:
    """NNCF without telemetry."""
    openvino()
    import nncf

    return nncf
