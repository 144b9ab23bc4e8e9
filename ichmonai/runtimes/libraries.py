"""Libraries that are imported with care."""

import sys
from types import ModuleType


def openvino() -> ModuleType:
    """OpenVINO without telemetry: by default its import alone reports to a server, which no clinic wants.

    OpenVINO and NNCF take a stub where `openvino_telemetry` cannot be imported, which is how it is switched off here.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def nncf() -> ModuleType:
    """NNCF without telemetry."""
    openvino()
    import nncf

    return nncf
