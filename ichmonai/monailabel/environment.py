"""MONAI Label's own virtual environment, since it needs other versions of what this package uses."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

import ichmonai
from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError, first_line
from ichmonai.processes.safe_path import safe_environment

PACKAGE = "ichmonai"
WHEELS, SOURCES = (Path(__file__).with_name(f"{kind}.txt") for kind in ("wheels", "sources"))
"""All that is installed, with its hash; written by `scripts/lock_label.py`."""

SHARED = re.compile(r"monai|timm|torch|torchvision|triton|itk(-.*)?|nvidia-.*|cuda-.*")
"""Names of packages that are linked: what decides the scores, and what is gigabytes."""

_NEWEST_PYTHON = (3, 12)  # the newest for which there is NumPy 1
_READY = "ready.json"


def make_environment(folder: Path) -> None:
    """Make the environment, unless it is there with all that is needed.

    MONAI, timm, PyTorch and ITK are links into this one, and so is this package: both run the same code. Where links
    cannot be made they are copied. pip installs the rest, in the versions and with the hashes of the two
    locks, from where it is configured to (`PIP_NO_INDEX`, `PIP_FIND_LINKS` and so on).

    Args:
        folder: of the environment; made if absent, and made anew where it is not complete.

    Raises:
        InputError: this Python is too new for MONAI Label, or the environment cannot be made.
    """
    if sys.version_info[:2] > _NEWEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise InputError(f"MONAI Label 0.8.5 needs Python 3.11 or 3.12 and this is {found}; install ichmonai there.")
    shared = {one.name: one for one in importlib.metadata.distributions() if SHARED.fullmatch(one.name.lower())}
    wanted = {
        "locks": [sha256_of_file(WHEELS), sha256_of_file(SOURCES)],
        "shared": {name: one.version for name, one in sorted(shared.items())},
        "python": sys.version,
        "package": str(_package_folder()),
    }
    ready = folder / _READY
    if ready.is_file() and json.loads(ready.read_text(encoding="utf-8")) == wanted:
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _share(folder, shared.values())
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"The virtual environment {folder} cannot be made ({first_line(error)}); is there room, and Python's venv?"
        ) from error
    _install(folder, WHEELS, "--only-binary=:all:")
    _install(folder, SOURCES, "--no-binary=:all:", "--use-pep517", "--no-build-isolation")  # built by the first's tools
    ready.write_text(json.dumps(wanted), encoding="utf-8")


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean_environment() -> dict[str, str]:
    """This process's environment variables, without those that would bring other code into another environment."""
    return {name: value for name, value in safe_environment().items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def link(source: Path, destination: Path) -> None:
    """Make a symbolic link to a file or folder, or a copy where the system has none for this user."""
    try:
        destination.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    except OSError:
        if source.is_dir():
            shutil.copytree(source, destination, symlinks=True)
        else:
            shutil.copy2(source, destination)


def _install(folder: Path, lock: Path, *options: str) -> None:
    command = [str(python_of(folder)), "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--no-deps", *options, "--requirement", str(lock)]
    if subprocess.run(command, env=clean_environment(), check=False).returncode:  # noqa: S603  the environment's own pip
        raise InputError(f"pip could not install MONAI Label into {folder}; its messages are above.")


def _package_folder() -> Path:
    return Path(ichmonai.__file__).resolve().parent


def _share(folder: Path, distributions: Iterable[importlib.metadata.Distribution]) -> None:
    """Put links to the shared packages into a folder that the environment's Python looks in after its own."""
    shared = folder / "shared"
    shared.mkdir()
    link(_package_folder(), shared / PACKAGE)
    for distribution in distributions:
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (shared / top).exists():
                link(source, shared / top)
    site_packages = subprocess.run(  # noqa: S603  the environment's own Python
        [python_of(folder), "-P", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    Path(site_packages, "shared.pth").write_text(f"{shared.absolute()}\n", encoding="utf-8")
