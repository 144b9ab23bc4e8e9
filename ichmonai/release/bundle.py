"""What a built bundle consists of, and how it is written."""

import zipfile
from pathlib import Path

from ichmonai.errors import InputError
from ichmonai.paths import BUNDLE_NAME, bundle_root
from ichmonai.release.configs import CODE, built_configs

_PACKAGE = Path(__file__).resolve().parents[1]
_NOT_CARRIED = (
    "__main__.py",
    "audit",
    "bundle",
    "cli.py",
    "commands",
    "dicom_node",
    "dicom_results",
    "monailabel",
    "monitoring",
    "serve",
)
"""Of the package: what only the command line, archives of hospitals and servers need."""
_MODELS = ("calibration.json", "model.json", "model.pt", "model.safetensors")
"""Of the folder `models`, where exports and runtimes' files may lie beside them."""
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip knows."""


def code_files() -> dict[str, Path]:
    """The code that a bundle carries: name in the bundle -> file of this package."""
    files = {f"{CODE}/__init__.py": _PACKAGE / "release" / "carried_code.py"}
    for path in sorted(_PACKAGE.rglob("*")):
        place = path.relative_to(_PACKAGE)
        if path.is_file() and place.parts[0] not in _NOT_CARRIED and "__pycache__" not in place.parts:
            files[f"{CODE}/ichmonai/{place.as_posix()}"] = path
    return files


def bundle_files(root: Path | None = None) -> dict[str, bytes]:
    """All files of a built bundle: name in it -> content, sorted by name.

    Args:
        root: the bundle as it stands in the sources; this package's own unless given.

    Raises:
        InputError: it has no weights.
    """
    root = root or bundle_root()
    if not (root / "models" / "model.pt").is_file():
        raise InputError(f"{root} has no models/model.pt, without which it is no bundle; put the weights there.")
    files = {f"configs/{name}": content for name, content in built_configs(root / "configs").items()}
    others = [root / "LICENSE", root / "configs" / "logging.conf", *(root / "docs").iterdir()]
    others += [path for name in _MODELS if (path := root / "models" / name).is_file()]
    files |= {path.relative_to(root).as_posix(): path.read_bytes() for path in others if path.is_file()}
    files |= {name: path.read_bytes() for name, path in code_files().items()}
    return dict(sorted(files.items()))


def write_zip(path: Path, root: Path | None = None) -> None:
    """Write a built bundle as a zip, byte for byte the same for the same bundle and package.

    Nothing is compressed: what compression gives depends on the library's version, and weights hardly shrink.

    Args:
        path: file to write, or to replace.
        root: as of `bundle_files`.

    Raises:
        InputError: as `bundle_files`.
        OSError: the file cannot be written.
    """
    files = bundle_files(root)
    partial = path.with_name(f"{path.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{BUNDLE_NAME}/{name}", _FIRST_DAY)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)
    partial.replace(path)
