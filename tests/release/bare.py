"""A Python that has everything but this package, for what is said to need nothing of it."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path


def bare_python(folder: Path, places: Iterable[str | Path] = sys.path, without: str = "ichmonai") -> Path:
    """Make a virtual environment of links to all that lies in other environments' folders of packages.

    Args:
        folder: to make it in.
        places: folders of packages; others of a `sys.path` are passed over.
        without: what to leave out, by a part of its name.

    Returns:
        Its interpreter.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for place in map(Path, places):
        if place.name in ("site-packages", "dist-packages", "shared") and place.is_dir():
            for one in place.iterdir():
                if one.suffix == ".pth" or without in one.name or "ichmonai" in one.name:
                    continue
                if not (packages / one.name).exists():
                    (packages / one.name).symlink_to(one)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    return folder / "venv" / "bin" / "python"


def start(python: Path, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh process of it, in which nothing of this one's environment brings other code."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**inherited, "OMP_NUM_THREADS": "1", **variables}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def bundle_command(python: Path, bundle: Path, *arguments: object, **options: object) -> str:
    """What `python -m monai.bundle ...` says on standard error, in the bundle's folder; it must not fail."""
    given = [f"--{name}={value}" for name, value in options.items()]
    done = start(python, "-m", "monai.bundle", *arguments, *given, cwd=bundle)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr
