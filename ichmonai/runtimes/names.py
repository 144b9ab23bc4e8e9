"""Runtimes and precisions by name, and which of them can be had here."""

from importlib.util import find_spec

from ichmonai.runtimes.libraries import openvino_core

RUNTIMES = ("torch", "onnxruntime", "openvino")
RUNTIMES_OF = {"fp32": RUNTIMES, "bf16": ("torch", "openvino"), "int8": ("openvino",)}
"""Precision -> the runtimes that have it on a CPU."""

PRECISIONS = tuple(RUNTIMES_OF)
FORMATS = {"torchscript": ".ts", "onnx": ".onnx", "openvino": ".xml"}
"""Format of a file -> its suffix."""

FORMAT_OF = {"onnxruntime": "onnx", "openvino": "openvino"}
"""Runtime -> format of the file that it opens."""

_NEEDS = {
    "torchscript": ((), ""),
    "torch": ((), ""),
    "onnx": (("onnx", "onnxscript"), "export"),
    "onnxruntime": (("onnx", "onnxscript", "onnxruntime"), "export"),
    "openvino": (("openvino",), "openvino"),
    "nncf": (("openvino", "nncf"), "int8"),
}


def missing(name: str) -> str:
    """Why a runtime, format or tool cannot be used: what has to be installed; empty where nothing has."""
    packages, extra = _NEEDS[name]
    absent = [package for package in packages if find_spec(package) is None]
    return f'{name} needs {", ".join(absent)} (pip install "ichmonai[{extra}]")' if absent else ""


def unavailable(runtime: str, precision: str) -> str:
    """Why a runtime cannot be used in a precision here; empty where it can."""
    if runtime not in RUNTIMES_OF[precision]:
        return f"{runtime} has no {precision}, only {' and '.join(RUNTIMES_OF[precision])}"
    if reason := missing(runtime):
        return reason
    if precision == "bf16" and runtime == "openvino":
        capabilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "" if "BF16" in capabilities else "openvino has no bf16 on this CPU"
    return ""
