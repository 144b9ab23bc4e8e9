"""An exported network that was found equal to torch's."""

from os import PathLike
from pathlib import Path

import torch

from ichmonai.errors import InputError
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.runtimes.formats import describe, export_network, head_sizes
from ichmonai.runtimes.names import FORMAT_OF, missing
from ichmonai.runtimes.parity import Trial, drawn_slices, try_out
from ichmonai.runtimes.sessions import Run, open_file

_RUNTIME_OF = {format: runtime for runtime, format in FORMAT_OF.items()}


def export_checked(
    network: SliceClassifier, weights: str | PathLike, image_size: int, format: str, file: Path
) -> Trial | None:
    """Write a network as a file and compare what the file gives.

    Args:
        network: on the CPU.
        weights: file that its weights came from.
        image_size: height and width of its input in pixels.
        format: one of `FORMATS`.
        file: to write.

    Returns:
        The comparison; None where nothing is installed that runs the file.

    Raises:
        InputError: what writes the format is not installed, or the file gives other results; it is removed then.
    """
    whole = network.with_mask()
    export_network(whole, format, file, describe(network, weights, image_size))
    runtime = _RUNTIME_OF.get(format, "torchscript")
    if missing(runtime):
        return None
    run: Run = torch.jit.load(str(file)) if runtime == "torchscript" else open_file(runtime, file, "fp32")
    images = drawn_slices(network.in_channels, image_size)
    with torch.no_grad():
        trial = try_out(run, images, whole(images), head_sizes(network))
    if problem := trial.problem("fp32"):
        for part in (file, file.with_suffix(".bin")) if format == "openvino" else (file,):
            part.unlink()
        raise InputError(f"The {format} of this network gives other results ({problem}); use another format.")
    return trial
