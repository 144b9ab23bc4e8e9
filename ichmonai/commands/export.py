"""The command ``ichmonai export``."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ichmonai.commands.bundle_options import BundleOption, ConfigOption, SettingsOption, TrustOption, bundle_source
from ichmonai.commands.stop import stop
from ichmonai.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from ichmonai.datasets.item import Item
    from ichmonai.prediction.bundle import InferenceBundle
    from ichmonai.runtimes.quantise import Gate


class FormatName(str, Enum):
    """What a network is written as."""

    TORCHSCRIPT = "torchscript"
    ONNX = "onnx"
    OPENVINO = "openvino"


def export(
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write; beside the weights unless given.")
    ] = None,
    format: Annotated[FormatName, typer.Option(help="What to write.")] = FormatName.ONNX,
    bundle: BundleOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
    int8: Annotated[
        Path | None,
        typer.Option(
            "--int8",
            metavar="DATA",
            exists=True,
            help="OpenVINO in int8, ranges from a dataset's training slices; written only if as good on the others.",
        ),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="split.json that the training on DATA wrote.")
    ] = None,
) -> None:
    """Write a bundle's network, with its trained weights, as a file that other runtimes open.

    The file says whose weights it has (SHA-256), what its outputs are, and that it is not for clinical use.
    """
    from ichmonai.notice import NOTICE
    from ichmonai.prediction.bundle import InferenceBundle
    from ichmonai.runtimes.export import export_checked
    from ichmonai.runtimes.int8 import int8_path
    from ichmonai.runtimes.names import FORMATS

    console = Console(stderr=True)
    try:
        source = bundle_source(bundle, config, settings, "cpu", trust)
        parts = InferenceBundle(source)
        weights, image_size = parts.weights, parts.setting("description").image_size
        network = parts.setting("trained_network").eval()
        try:
            if int8 is not None:
                file = out or int8_path(weights)
                file.parent.mkdir(parents=True, exist_ok=True)
                outcome = str(_int8(parts, int8, split, file))
            else:
                file = out or weights.with_suffix(FORMATS[format.value])
                file.parent.mkdir(parents=True, exist_ok=True)
                trial = export_checked(network, weights, image_size, format.value, file)
                outcome = (
                    "not compared, because nothing here runs it"
                    if trial is None
                    else f"logits within {trial.largest_difference:.0e} of torch, decisions equal"
                )
        except OSError as error:
            raise InputError(f"Cannot write to {file} ({error.strerror}); choose another with --out.") from error
    except InputError as error:
        stop(error, 2)
    console.print(f"Written: {file} ({outcome})", soft_wrap=True, highlight=False, markup=False)
    console.print(NOTICE)


def _int8(parts: "InferenceBundle", data: Path, split: Path | None, file: Path) -> "Gate":
    from ichmonai.datasets import load_datalist, read_splits, split_by_patient
    from ichmonai.io.findings import HeadCTReadError
    from ichmonai.prediction.steps import checked
    from ichmonai.runtimes.quantise import make_int8

    def read(item: "Item") -> "Tensor | None":
        try:
            image = checked(parts.preprocessing, {"image": item["image"]})["image"]
        except HeadCTReadError:
            return None
        return image.as_tensor().reshape(*image.shape[:3])

    items = load_datalist(data)
    splits = read_splits(items, split, same_slices=False) if split else split_by_patient(items)
    return make_int8(
        parts.setting("trained_network"),
        parts.weights,
        parts.setting("description").image_size,
        read,
        parts.setting("calibration").apply_logits,
        splits,
        file,
    )
