import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import psutil
import pytest

from ichmonai.processes import scratch
from ichmonai.processes.scratch import remove_abandoned, scratch_folder

ROOT = str(Path(__file__).parents[2])
SECONDS = 2.0 if "CI" not in os.environ else 10.0
"""In which nothing may be left; ten kills on two cores with a load of 12 took 0.09 to 0.18."""

POOLS = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from ichmonai.processes import contexts
from ichmonai.processes.scratch import scratch_folder
contexts._PRELOAD = []
def work(_):
    time.sleep(0.3)
    return os.getpid()
if __name__ == "__main__":
    with scratch_folder() as folder:
        (folder / "image.npy").write_bytes(b"patient")
        pools = [ProcessPoolExecutor(2, make()) for make in (contexts.spawn_context, contexts.worker_context)]
        for pool in pools:
            print(*pool.map(work, range(4)))
        print("ready", flush=True)
        time.sleep(600)
"""


def short_folder(tmp_path):
    """A folder of a test's own with a short name: sockets are made there."""
    return Path(tempfile.gettempdir(), f"t{zlib.crc32(str(tmp_path).encode()):x}")


@pytest.fixture(autouse=True)
def _tidy(tmp_path):
    yield
    shutil.rmtree(short_folder(tmp_path), ignore_errors=True)


def start(tmp_path, program):
    path = tmp_path / "run.py"
    path.write_text(program)
    temporary = short_folder(tmp_path)
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": ROOT, "TMPDIR": str(temporary)}
    process = psutil.Popen([sys.executable, path], env=environment, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("ready"):
            return process, temporary
    raise AssertionError("it ended")


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs file descriptors of processes")
def test_nothing_is_left_a_moment_after_a_kill(tmp_path):
    process, temporary = start(tmp_path, POOLS)
    children = process.children(recursive=True)
    assert len(children) >= 6  # four workers, the fork server, the tracker of resources, the guard
    assert {one.name.split("-")[0] for one in temporary.iterdir()} == {"ichmonai", "pymp"}
    for child in children:
        if "--multiprocessing-fork" in child.cmdline():
            child.suspend()  # a worker that cannot notice anything itself
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=SECONDS)
    assert [one.pid for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []  # ended; the system has to notice
    assert list(temporary.iterdir()) == []


def test_without_its_guard_the_workers_end_and_the_next_run_cleans_up(tmp_path, monkeypatch):
    process, temporary = start(tmp_path, POOLS)
    (guard,) = (one for one in process.children(recursive=True) if "guard.py" in " ".join(one.cmdline()))
    guard.kill()
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder,) = temporary.glob("ichmonai-*")
    monkeypatch.setattr(scratch, "_BEGINS", -1.0)
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        remove_abandoned(temporary)
        time.sleep(0.1)
    assert not folder.exists()


def test_a_folder_in_use_is_no_leftover(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_BEGINS", -1.0)
    (tmp_path / "ichmonai-made-by-somebody").mkdir()
    (tmp_path / "ichmonai-link").symlink_to(tmp_path)
    with scratch_folder() as one, scratch_folder() as other:
        assert one != other
        assert one.is_dir()
        assert one.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in tmp_path.iterdir()} == {"ichmonai-made-by-somebody", "ichmonai-link"}
