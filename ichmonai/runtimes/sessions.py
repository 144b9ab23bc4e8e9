"""Files of networks, opened: each becomes a function of slices."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ichmonai.runtimes.formats import INPUT
from ichmonai.runtimes.libraries import openvino_core

Outputs = Tensor | tuple[Tensor, ...]
Run = Callable[..., Outputs]
"""(B, C, H, W) float32 -> logits (B, K) float32; of a network with a mask these, and its logits (B, C', H, W).
Torch's takes clinical data beside the slices."""


def open_torch(network: nn.Module, precision: str) -> Run:
    """The network itself, in bf16 under autocast."""

    def run(image: Tensor, *clinical: Tensor) -> Outputs:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = network(image, *clinical)
        return found.float() if isinstance(found, Tensor) else tuple(part.float() for part in found)

    return run


def open_file(runtime: str, file: Path, precision: str) -> Run:
    """A file of `FORMAT_OF[runtime]`, on as many threads as torch has."""
    return _open_openvino(file, precision) if runtime == "openvino" else _open_onnx(file)


def _open_onnx(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Outputs:
        return _outputs(session.run(None, {INPUT: image.contiguous().numpy()}))

    return run


def _open_openvino(file: Path, precision: str) -> Run:
    core = openvino_core()
    compiled = core.compile_model(
        core.read_model(str(file)),
        "CPU",
        {
            # What is not said is bf16 wherever the CPU has it. An int8 model has its own precision where it is int8.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        },
    )

    def run(image: Tensor) -> Outputs:
        found = compiled([image.contiguous().numpy()])
        return _outputs([found[number].copy() for number in range(len(compiled.outputs))])

    return run


def _outputs(arrays: Sequence[np.ndarray]) -> Outputs:
    found = tuple(map(torch.from_numpy, arrays))
    return found[0] if len(found) == 1 else found
