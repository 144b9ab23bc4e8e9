"""Runs of `ichmonai predict` on phantoms: started, watched, ended."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from ichmonai.datasets.phantom.study import make_study
from scripts.bench.phantom_archive import write_archive, write_bundle

TABLES = ("studies.csv", "slices.csv", "rejected.csv")
PATIENCE = 60.0
"""Seconds in which what a run has started has to end after it: it may be importing."""


class Bench:
    """A folder with inputs, a bundle, and what runs leave.

    Args:
        root: folder, made.
        studies: DICOM series and as many volumes.
        size: pixels along each side of a slice.
    """

    def __init__(self, root: Path, studies: int, size: int) -> None:
        self.root, self.inputs, self.scratch = root, root / "inputs", root / "scratch"
        self.scratch.mkdir(parents=True)
        write_archive(self.inputs / "dicom", max(studies // 10, 2), size)
        (self.inputs / "volumes").mkdir()
        hu = np.ascontiguousarray(make_study(8, kind="deep", size=size, tilt=0).hu.transpose(1, 0, 2))
        for number in range(studies):
            hu[0, 0, 0] = number - 1024  # no two have the same content
            image = nib.Nifti1Image(hu, np.diag([-220 / size, -220 / size, 5.0, 1.0]))
            nib.save(image, self.inputs / "volumes" / f"{number:04d}.nii")
        next((self.inputs / "dicom").rglob("*.dcm")).write_bytes(b"damaged")
        self.settings = write_bundle(root / "bundle", "test_vit", 32, runtime="torch")
        self.volumes = sorted((self.inputs / "volumes").iterdir())

    def start(self, out: Path, *options: str, environment: Mapping[str, str] | None = None) -> psutil.Popen:
        """Start a run; its temporary files are in `scratch`, what it says in a file beside its results."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "ichmonai",
            "predict",
            str(self.inputs),
            "--bundle",
            str(self.root / "bundle"),
        ]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        command += ["--out", str(out), "--device", "cpu", "--workers", "2", "--quiet", *options]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.scratch), **(environment or {})}
        with self.said(out).open("ab") as said:
            return psutil.Popen(command, env=variables, stderr=said, stdout=said, start_new_session=True)

    def said(self, out: Path) -> Path:
        """What runs into a folder say; never on a disk that fills up."""
        return self.root / f"{out.name}.said"

    def finish(self, out: Path, *options: str) -> int:
        """A run that is left alone."""
        return self.start(out, *options).wait()

    def left(self, family: list[psutil.Process]) -> dict[str, int]:
        """What outlives a run: processes, and temporary files."""
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)
        alive = [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        for one in alive:
            one.kill()
        files = list(self.scratch.rglob("*"))
        row = {"processes_left": len(alive), "temporary_files_left": len(files)}
        for path in files:
            print(f"    left: {path}", flush=True)
        subprocess.run(["rm", "-rf", *map(str, self.scratch.iterdir())], check=True)
        return row


def answers(out: Path) -> dict[str, int]:
    """Row of the answer to each series: one that is made again gets another; what failed is to be tried again."""
    try:
        with sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as connection:
            return dict(connection.execute("SELECT series, rowid FROM answers WHERE code != 'failed'"))
    except sqlite3.OperationalError:  # there is no journal yet, or nothing in it
        return {}


def wait_for(condition: Callable[[], bool], process: psutil.Popen, patience: float = 300) -> bool:
    """Wait until something is so; False where the run ends before."""
    deadline = time.monotonic() + patience
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            return condition()
        time.sleep(0.02)
    return True


def fork_server(process: psutil.Process) -> psutil.Process | None:
    """The process that workers are forked from."""
    for child in children(process):
        if _command(child) == _command(process):  # it is forked from the command, which has imported all
            return child
    return None


def workers(process: psutil.Process) -> list[psutil.Process]:
    """The processes that read and prepare."""
    server = fork_server(process)
    return children(server) if server else []


def children(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
    """What a process has started and is still there; nothing where it has ended."""
    try:
        return process.children(recursive=recursive)
    except psutil.Error:  # it has ended
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def tables_equal(one: Path, other: Path) -> bool:
    """Whether two runs left the same."""
    pairs = [(one / name, other / name) for name in TABLES]
    return all(a.is_file() and b.is_file() and a.read_bytes() == b.read_bytes() for a, b in pairs)


def stop(process: psutil.Popen, signals: tuple[signal.Signals, ...], pause: float = 0.1) -> list[psutil.Process]:
    """Send signals to a run as a terminal or a scheduler does; gives back what it had started."""
    family = children(process, recursive=True)
    for number in signals:
        try:
            if number is signal.SIGINT:  # Ctrl-C is for the whole group
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        except (ProcessLookupError, psutil.Error):
            break
        time.sleep(pause)
    return family
