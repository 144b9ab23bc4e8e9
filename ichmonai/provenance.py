"""Where a result came from."""

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from ichmonai import __version__
from ichmonai.digests import sha256_of_file
from ichmonai.notice import NOTICE
from ichmonai.private_files import write_text

_PACKAGES = ("monai", "torch", "timm", "pydicom", "nibabel", "numpy")


def write_provenance(path: Path, weights: str | PathLike | None, **facts: Any) -> None:
    """Write a JSON record beside a result.

    Args:
        path: file to write.
        weights: the network's weights, named by their SHA-256; None where the network was not read from a file.
        facts: whatever else identifies the run; JSON values.
    """
    record = {
        "notice": NOTICE,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights": None if weights is None else {"file": Path(weights).name, "sha256": sha256_of_file(weights)},
        **facts,
        "versions": {
            "python": platform.python_version(),
            "ichmonai": __version__,
            **{name: version(name) for name in _PACKAGES},
        },
    }
    write_text(path, json.dumps(record, indent=2, default=str) + "\n")


def table_digests(paths: Iterable[Path]) -> dict[str, str]:
    """Name and SHA-256 of the tables that a record is of, for its `tables`."""
    return {path.name: sha256_of_file(path) for path in paths}
