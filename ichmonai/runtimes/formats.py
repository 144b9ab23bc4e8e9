"""Networks as files that other runtimes open, with what they are and what they are not for."""

import json
import warnings
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ichmonai import __version__
from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS, RSNA_LABELS
from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.notice import NOTICE
from ichmonai.runtimes.libraries import openvino, openvino_core
from ichmonai.runtimes.names import FORMATS, missing

INPUT, OUTPUT, MASK = "image", "pred", "mask"
_CHANNELS = {"ich": ICH_CLASSES, "location": (*LOCATIONS, "normal"), "kinds": KINDS, "rsna": RSNA_LABELS}
_KEY = "ichmonai"


def head_sizes(network: SliceClassifier) -> dict[str, int]:
    """Head name -> number of its outputs, in the order of the logits' columns."""
    return {name: list(head.parameters())[-1].shape[0] for name, head in network.heads.heads.items()}


def channel_def(network: SliceClassifier) -> dict[str, str]:
    """Column of the logits -> what it stands for, as in a bundle's metadata."""
    names = [
        _CHANNELS[head][i] if head in _CHANNELS else f"{head} {i}"
        for head, size in head_sizes(network).items()
        for i in range(size)
    ]
    return {str(i): name for i, name in enumerate(names)}


def describe(network: SliceClassifier, weights: str | PathLike, image_size: int) -> dict[str, Any]:
    """What a file of a network says of itself.

    Args:
        network: it.
        weights: file that its weights came from.
        image_size: height and width of its input in pixels.

    Returns:
        JSON values: `notice`, `weights` (file and SHA-256), `input`, `output`, `channel_def`, `versions`; and `mask`,
        the second output, where the network has one.
    """
    mask = {
        "name": MASK,
        "shape": ["batch", network.mask_classes, image_size, image_size],
        "values": "logits",
        "channel_def": {str(i): name for i, name in enumerate(("none", *KINDS)[: network.mask_classes])},
    }
    return {
        "notice": NOTICE,
        "weights": {"file": Path(weights).name, "sha256": sha256_of_file(weights)},
        "input": {"name": INPUT, "shape": ["batch", network.in_channels, image_size, image_size], "dtype": "float32"},
        "output": {"name": OUTPUT, "shape": ["batch", sum(head_sizes(network).values())], "values": "logits"},
        "channel_def": channel_def(network),
        **({"mask": mask} if network.mask_classes else {}),
        "versions": {"ichmonai": __version__, **{name: version(name) for name in ("torch", "timm")}},
    }


def export_network(network: nn.Module, format: str, file: Path, facts: dict[str, Any]) -> None:
    """Write a network as a file that takes any batch, with its mask as the second output where it has one.

    Args:
        network: on the CPU; of one with a mask what its `with_mask` gives.
        format: one of `FORMATS`.
        file: to write; replaced where it exists, and never left half written. OpenVINO's weights lie beside it, in a
            `.bin`.
        facts: see `describe`; kept in the file (`metadata.json` of TorchScript, metadata of ONNX, rt_info of OpenVINO).

    Raises:
        InputError: what writes the format is not installed.
        RuntimeError: the network cannot be traced.
    """
    if format not in FORMATS:
        raise InputError(f"There is no format {format}; choose from {', '.join(FORMATS)}.")
    if reason := missing(format):
        raise InputError(f"{reason}.")
    image = torch.zeros(1, *facts["input"]["shape"][1:])
    network.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python number that it takes for a constant
        _WRITERS[format](network, image, file, facts)


def _write_torchscript(network: nn.Module, image: torch.Tensor, file: Path, facts: dict[str, Any]) -> None:
    from monai.data import save_net_with_metadata  # with all of MONAI's data sets

    partial = file.with_name(f"{file.name}.partial")
    traced = torch.jit.trace(network, image, check_trace=False)
    with partial.open("wb") as stream:
        save_net_with_metadata(traced, stream, meta_values=facts)
    partial.replace(file)


def _write_onnx(network: nn.Module, image: torch.Tensor, file: Path, facts: dict[str, Any]) -> None:
    import onnx

    partial = file.with_name(f"{file.name}.partial")
    names = [OUTPUT, *([MASK] if "mask" in facts else [])]
    torch.onnx.export(
        network,
        (image,),
        str(partial),
        input_names=[INPUT],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in (INPUT, *names)},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(partial))
    onnx.helper.set_model_props(model, {_KEY: json.dumps(facts)})
    onnx.save(model, str(partial))
    partial.replace(file)


def _write_openvino(network: nn.Module, image: torch.Tensor, file: Path, facts: dict[str, Any]) -> None:
    save_openvino(to_openvino(network, image), file, facts)


def to_openvino(network: nn.Module, image: torch.Tensor) -> Any:
    """OpenVINO's model of a network, for batches of any size."""
    ov = openvino()
    with torch.no_grad():
        model = ov.convert_model(network, example_input=image, input=[ov.PartialShape([-1, *image.shape[1:]])])
    model.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(model.outputs, (OUTPUT, MASK), strict=False):
        output.get_tensor().set_names({name})
    return model


def save_openvino(model: Any, file: Path, facts: dict[str, Any]) -> None:
    """Write OpenVINO's model in full precision; the .bin first, so that a kill leaves no .xml without it."""
    partial = file.with_name(f"{file.stem}.partial.xml")
    model.set_rt_info(json.dumps(facts), [_KEY])
    openvino().save_model(model, str(partial), compress_to_fp16=False)
    partial.with_suffix(".bin").replace(file.with_suffix(".bin"))
    partial.replace(file)


_WRITERS = {"torchscript": _write_torchscript, "onnx": _write_onnx, "openvino": _write_openvino}


def read_facts(file: Path) -> dict[str, Any]:
    """What a file that `export_network` wrote says of itself.

    Raises:
        InputError: it is none.
    """
    try:
        if file.suffix == FORMATS["torchscript"]:
            from monai.data import load_net_with_metadata

            return load_net_with_metadata(str(file))[1]
        if file.suffix == FORMATS["onnx"]:
            import onnx

            properties = onnx.load(str(file), load_external_data=False).metadata_props
            return json.loads(next(one.value for one in properties if one.key == _KEY))
        return json.loads(openvino_core().read_model(str(file)).get_rt_info([_KEY]).astype(str))
    except Exception as error:  # each library raises errors of its own
        raise InputError(f"{file} is no network that ichmonai exported; write it with `ichmonai export`.") from error
