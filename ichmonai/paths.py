"""Where the bundle is."""

import json
from pathlib import Path
from typing import Any

BUNDLE_NAME = "ich_classification"
"""The bundle's folder where it is given away; MONAI Label takes a model's type from such a name."""


def bundle_root() -> Path:
    """The MONAI bundle: inside the package when that is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "bundle"
    return installed if installed.is_dir() else package.parent / "bundle"


def absolute_config(root: Path, name: str) -> Any:
    """A config of a bundle, as it can be used from any folder.

    `%configs/train.json#train` takes a part of another config, and MONAI looks for that below the current folder.

    Args:
        root: of the bundle.
        name: of the config, without `.json`.
    """
    text = (root / "configs" / f"{name}.json").read_text(encoding="utf-8")
    prefix = json.dumps(f"%{(root / 'configs').resolve()}/")[:-1]
    return json.loads(text.replace('"%configs/', prefix))
