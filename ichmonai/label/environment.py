"""MONAI Label's own virtual environment, since it needs other versions of what this package uses."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import ichmonai
from ichmonai.errors import InputError, first_line
from ichmonai.processes.safe_path import safe_environment

PACKAGE = "ichmonai"
LABEL_REQUIREMENTS = ("monailabel==0.8.5", "pydicom>=2.4.5,<3", "pynetdicom<3", "dicomweb-client[gcp]<0.60")
"""MONAI Label 0.8.5 does not start with pydicom 3, of which its other two need later versions; it brings NumPy 1."""

_NEWEST_PYTHON = (3, 12)  # the newest for which there is NumPy 1
_SHARED = re.compile(r"torch|torchvision|triton|itk(-.*)?|nvidia-.*|cuda-.*")
_SAME_VERSION = ("monai", "timm", "torch", "torchvision")
_READY = "ready.json"


def make_environment(folder: Path) -> None:
    """Make the environment, unless it is there with all that is needed.

    PyTorch and ITK, gigabytes that both environments need in the same version, are links into this one, and so is this
    package: both run the same code. Where links cannot be made they are copied. pip installs the rest, as it is
    configured (`PIP_NO_INDEX`, `PIP_FIND_LINKS` and so on).

    Args:
        folder: of the environment; made if absent, and made anew where it is not complete.

    Raises:
        InputError: this Python is too new for MONAI Label, or the environment cannot be made.
    """
    if sys.version_info[:2] > _NEWEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise InputError(f"MONAI Label 0.8.5 needs Python 3.11 or 3.12 and this is {found}; install ichmonai there.")
    requirements = _requirements()
    wanted = {"requirements": requirements, "python": sys.version, "package": str(_package_folder())}
    ready = folder / _READY
    if ready.is_file() and json.loads(ready.read_text(encoding="utf-8")) == wanted:
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _share(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"The virtual environment {folder} cannot be made ({first_line(error)}); is there room, and Python's venv?"
        ) from error
    pip = [str(python_of(folder)), "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, *requirements], env=clean_environment(), check=False).returncode:  # noqa: S603  the environment's own pip
        raise InputError(f"pip could not install MONAI Label into {folder}; its messages are above.")
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


def _package_folder() -> Path:
    return Path(ichmonai.__file__).resolve().parent


def _share(folder: Path) -> None:
    """Put links to the shared packages into a folder that the environment's Python looks in after its own."""
    shared = folder / "shared"
    shared.mkdir()
    link(_package_folder(), shared / PACKAGE)
    for distribution in importlib.metadata.distributions():
        if not _SHARED.fullmatch(distribution.metadata["Name"].lower()):
            continue
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


def _requirements() -> list[str]:
    """MONAI Label's requirements and this package's, but of pydicom; what decides the scores in this version."""
    own = []
    for text in importlib.metadata.requires(PACKAGE) or ():
        name = re.match(r"[\w.-]+", text)
        if name is None or name[0] == "pydicom" or ";" in text:  # of an extra
            continue
        own.append(f"{name[0]}=={importlib.metadata.version(name[0])}" if name[0] in _SAME_VERSION else text)
    return [*LABEL_REQUIREMENTS, *own]
