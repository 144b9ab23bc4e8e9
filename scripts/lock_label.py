"""Write what `ichmonai label prepare` installs: versions and SHA-256 of all that MONAI Label and this package need.

    pip install uv
    python scripts/lock_label.py

One resolution for all systems, with markers, in two files: what comes as a wheel, and the one that does not, which
is built by the first's setuptools, since pip would fetch what builds it without a hash. What both environments share is
left out: it is linked and not installed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ichmonai.monailabel.environment import SHARED, SOURCES, WHEELS

ROOT = Path(__file__).resolve().parents[1]
LABEL = ("monailabel==0.8.5", "pydicom>=2.4.5,<3", "pynetdicom<3", "dicomweb-client[gcp]<0.60")
"""MONAI Label 0.8.5 does not start with pydicom 3, of which its other two need later versions; it brings NumPy 1."""

EXCLUDED = ["sam2"]  # no wheel, builds with a second torch; MONAI Label leaves it out where it is not there
FROM_SOURCE = ("timeloop",)
PYTHON = "3.11"
ENVIRONMENTS = [f"sys_platform == '{one}' and python_version < '3.13'" for one in ("linux", "darwin", "win32")]
HEADER = "# Written by scripts/lock_label.py; not to be edited.\n"


def requirements() -> list[str]:
    """MONAI Label's requirements and this package's, but of pydicom."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*LABEL, *(one for one in project["dependencies"] if re.match(r"[\w.-]+", one)[0] != "pydicom")]


def split(lock: str) -> tuple[str, str]:
    """Wheels and sources of a lock, without the packages that are linked.

    Args:
        lock: lines of requirements, each followed by indented lines of hashes.
    """
    wheels, sources = "", ""
    for block in re.findall(r"^\S.*\n(?:[ \t].*\n)*", lock, re.MULTILINE):
        name = re.match(r"[\w.-]+", block)[0]
        if name in FROM_SOURCE:
            sources += block
        elif not SHARED.fullmatch(name):
            wheels += block
    return wheels, sources


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project, found = Path(folder, "pyproject.toml"), Path(folder, "lock.txt")
        project.write_text(
            f'[project]\nname = "label"\nversion = "0"\nrequires-python = ">={PYTHON}"\n'
            f"dependencies = {requirements()}\n"
            f"[tool.uv]\nexclude-dependencies = {EXCLUDED}\nenvironments = {ENVIRONMENTS}\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-P", "-m", "uv", "pip", "compile", project.name, "--quiet", "--universal"]
        command += ["--python-version", PYTHON, "--generate-hashes"]
        command += ["--no-annotate", "--no-header", "--output-file", found.name]
        subprocess.run(command, cwd=folder, check=True)  # where uv looks for [tool.uv]
        for path, text in zip((WHEELS, SOURCES), split(found.read_text(encoding="utf-8")), strict=True):
            path.write_text(HEADER + text, encoding="utf-8")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
