"""The options by which commands choose a bundle, its configs and settings, and on what it runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ichmonai.errors import InputError

if TYPE_CHECKING:
    from ichmonai.prediction.bundle import BundleSource

BundleOption = Annotated[
    Path | None, typer.Option(help="Folder of a MONAI bundle; ichmonai's own unless given. Its configs are code.")
]
ConfigOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Laid over the bundle's inference.json: a file, or its name in the bundle; repeatable. It is code."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting of the bundle's inference config, a plain value; repeatable."
    ),
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Run whatever the bundle and configs name; see what that is: ichmonai check-bundle."),
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 and so on; a GPU if there is one.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes that read and prepare; all cores.")]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds after which the work on a series is hung.")]


def bundle_source(
    bundle: Path | None,
    config: list[Path] | None,
    settings: list[str] | None,
    device: str | None = None,
    trust: bool = False,
    **more: Any,
) -> "BundleSource":
    """What the options name.

    Args:
        bundle: as `BundleOption` has it.
        config: as `ConfigOption` has it.
        settings: as `SettingsOption` has it.
        device: cpu, cuda, cuda:N or mps.
        trust: as `TrustOption` has it.
        more: further settings; None leaves what the bundle has.

    Raises:
        InputError: when there is no such config, or a setting or the device is not well formed.
    """
    from ichmonai.paths import bundle_root
    from ichmonai.prediction.bundle import BundleSource, device_setting

    root = (bundle or bundle_root()).absolute()
    chosen = dict(setting(pair) for pair in settings or [])
    named = chosen.pop("device", None)  # a config has an object there
    chosen |= device_setting(device or (None if named is None else str(named)))
    chosen |= {name: value for name, value in more.items() if value is not None}
    return BundleSource(root, chosen, tuple(config_file(root, path) for path in config or []), trust)


def setting(pair: str) -> tuple[str, Any]:
    """Name and value of a KEY=VALUE.

    Raises:
        InputError: it is none, or its value is code.
    """
    name, equals, value = pair.partition("=")
    if not equals:
        raise InputError(f"--set {pair} is no KEY=VALUE; write, for example, --set batch_size=4.")
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        read = value
    if _is_code(read):
        raise InputError(
            f"--set {name} is given an expression, a reference or a component, and takes plain values only; write a "
            "config file and give it with --config."
        )
    return name, read


def _is_code(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("_") or _is_code(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_is_code, value))
    return isinstance(value, str) and value.startswith(("$", "@", "%"))


def config_file(root: Path, path: Path) -> Path:
    """A config, given as a file or by its name in a bundle.

    Raises:
        InputError: there is neither.
    """
    for one in (path, root / "configs" / path, root / "configs" / f"{path}.json"):
        if one.is_file():
            return one.absolute()
    raise InputError(f"--config {path}: there is neither such a file nor one of that name in {root / 'configs'}.")
