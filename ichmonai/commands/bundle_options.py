"""The options by which commands choose a bundle, its configs and settings."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ichmonai.errors import InputError

if TYPE_CHECKING:
    from ichmonai.batch.bundle import BundleSource

BundleOption = Annotated[Path | None, typer.Option(help="Folder of a MONAI bundle; ichmonai's own unless given.")]
ConfigOption = Annotated[
    list[Path] | None,
    typer.Option(help="Laid over the bundle's inference.json: a file, or its name in the bundle; repeatable."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the bundle's inference config; repeatable."),
]


def bundle_source(
    bundle: Path | None,
    config: list[Path] | None,
    settings: list[str] | None,
    device: str | None = None,
    **more: Any,
) -> "BundleSource":
    """What the options name.

    Args:
        bundle: as `BundleOption` has it.
        config: as `ConfigOption` has it.
        settings: as `SettingsOption` has it.
        device: cpu, cuda, cuda:N or mps.
        more: further settings; None leaves what the bundle has.

    Raises:
        InputError: when there is no such config, or a setting or the device is not well formed.
    """
    from ichmonai.batch.bundle import BundleSource
    from ichmonai.paths import bundle_root

    root = (bundle or bundle_root()).absolute()
    chosen = dict(_setting(pair) for pair in settings or [])
    if device is not None:
        if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
            raise InputError(f"--device {device} is not known; choose cpu, cuda, cuda:N or mps.")
        chosen["device"] = f"$torch.device('{device}')"
    chosen |= {name: value for name, value in more.items() if value is not None}
    return BundleSource(root, chosen, tuple(_overlay(root, path) for path in config or []))


def _setting(pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise InputError(f"--set {pair} is no KEY=VALUE; write, for example, --set batch_size=4.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _overlay(root: Path, path: Path) -> Path:
    for one in (path, root / "configs" / path, root / "configs" / f"{path}.json"):
        if one.is_file():
            return one.absolute()
    raise InputError(f"--config {path}: there is neither such a file nor one of that name in {root / 'configs'}.")
