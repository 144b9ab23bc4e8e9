"""Configs of the bundle as they are given away: none needs another, and all find the code that they name."""

import json
import re
from pathlib import Path
from typing import Any

CODE = "ichmonai_code"
"""Folder of a built bundle that holds the code."""

_IMPORT = f"$import {CODE}"
_SETTLE = (
    "$next((__import__('runpy').run_path(str(one.frame.f_locals['self'].config_root_path.parent / "
    f"'{CODE}' / '__init__.py'))['settle'](one.frame.f_locals['self']) for one in __import__('inspect').stack(0) "
    "if isinstance(one.frame.f_locals.get('self'), monai.bundle.ConfigWorkflow)), None)"
)
"""First step of `initialize`: from the workflow that evaluates it, to the folder that its configs lie in."""

_OTHER_FILE = re.compile(r"%configs/(\w+\.json)#(.+)")


def built_configs(folder: Path) -> dict[str, bytes]:
    """The configs that a built bundle has in place of those in a folder.

    What a config takes from another by `%configs/train.json#key` is put in its place, since MONAI would look for that
    file below the current folder, and the code that the bundle carries is made importable first.

    Args:
        folder: `configs` of the bundle.

    Returns:
        Name of each file -> its bytes, always the same for the same configs.
    """
    sources = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return {name: _text(name, config, sources) for name, config in sources.items()}


def _text(name: str, config: dict[str, Any], sources: dict[str, Any]) -> bytes:
    if name != "metadata.json":
        config = _expanded(config, sources)
        for key, line in (("imports", _IMPORT), ("initialize", _SETTLE)):
            if key in config:
                config[key] = [line, *config[key]]
    return (json.dumps(config, indent=4, ensure_ascii=False) + "\n").encode()


def _expanded(value: Any, sources: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(one, sources) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one, sources) for one in value]
    if not isinstance(value, str) or not (macro := _OTHER_FILE.fullmatch(value)):
        return value
    found = sources[macro[1]]
    for key in re.split(r"#|::", macro[2]):
        found = found[key]
    return _expanded(found, sources)
