"""A folder that somebody else has filled, in which the user stands."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLANTED = (
    *("matplotlib", "dl", "numpy", "torch", "pydicom", "typer", "filelock", "monai", "sitecustomize", "usercustomize"),
    *("signal", "random", "multiprocessing", "subprocess", "tempfile", "json", "socket", "csv"),
)


class Trap:
    """A folder with modules that write their name down when they are imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PLANTED:
            self.plant(name)

    def plant(self, name: str) -> None:
        """One more module."""
        code = f"open({str(self.folder / 'ran')!r}, 'a').write({name!r} + ' ')\n"
        (self.folder / f"{name}.py").write_text(code)

    @property
    def ran(self) -> str:
        """Names of modules that were imported."""
        record = self.folder / "ran"
        return record.read_text() if record.exists() else ""

    def run(self, *command: str | Path, **variables: str) -> str:
        """Standard output of a program that is started in the folder, and must succeed."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        environment.pop("PYTHONSAFEPATH", None)
        done = subprocess.run(
            [*map(str, command)], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, (self.ran, done.stderr)
        return done.stdout


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """Modules with names of libraries, of Python's own modules, and of those that it imports at each start."""
    (tmp_path / "trap").mkdir()
    return Trap(tmp_path / "trap")


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a program where nobody else writes; Python then looks for modules there and not where the user stands."""

    def write(program: str) -> Path:
        (tmp_path / "program").mkdir()
        path = tmp_path / "program" / "run.py"
        path.write_text(f"#!{sys.executable}\n{program}")
        return path

    return write
