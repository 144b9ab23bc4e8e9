"""A pull request to MONAI's model zoo: the files that it adds, each where the zoo's guide asks for it."""

import hashlib
import json
from pathlib import Path

from ichmonai.errors import InputError
from ichmonai.paths import BUNDLE_NAME
from ichmonai.release.bundle import bundle_files

_LARGEST = 25 * 1024**2
"""Bytes of a file in the zoo's repository."""
_UNIT_TEST = Path(__file__).with_name("zoo_unit_test.py")


def write_zoo(folder: Path, large_files_url: str = "", root: Path | None = None) -> None:
    """Write `models/NAME`, as the zoo has a bundle, and `ci/unit_tests/test_NAME.py`, which the zoo's CI runs.

    Files that are too large for the zoo's repository are left out, and named in `large_files.yml`.

    Args:
        folder: new, or empty.
        large_files_url: address below which these can be downloaded, by their paths in the bundle.
        root: as of `bundle_files`.

    Raises:
        InputError: the folder has something in it, or a file is too large and there is no address for it.
        OSError: the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty; give a new folder.")
    files = bundle_files(root)
    large = {name: files.pop(name) for name, content in list(files.items()) if len(content) > _LARGEST}
    if large and not large_files_url:
        raise InputError(
            f"{next(iter(large))} has more than {_LARGEST // 1024**2} MB, which the zoo does not take; put it where "
            "everybody can download it, and give that place's address with --large-files-url."
        )
    if large:
        files["large_files.yml"] = _large_files(large, large_files_url.rstrip("/"))
    written = {f"models/{BUNDLE_NAME}/{name}": content for name, content in files.items()}
    written[f"ci/unit_tests/test_{BUNDLE_NAME}.py"] = _UNIT_TEST.read_bytes()
    for name, content in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _large_files(files: dict[str, bytes], url: str) -> bytes:
    lines = ["large_files:"]
    for name, content in files.items():
        entry = {"path": name, "url": f"{url}/{name}", "hash_val": hashlib.sha256(content).hexdigest()}
        pairs = [f"{key}: {json.dumps(value)}" for key, value in {**entry, "hash_type": "sha256"}.items()]
        lines += [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])]
    return ("\n".join(lines) + "\n").encode()
