import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys
from multiprocessing import forkserver
from ichmonai.processes import contexts as workers
workers._PRELOAD = []  # which would take seconds
before = signal.getsignal(signal.SIGINT)
workers.prepare_workers()
assert signal.getsignal(signal.SIGINT) is before
assert "torch" not in sys.modules
assert forkserver._forkserver._forkserver_pid is not None
server = open(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read()
ignored = int(next(line for line in server.splitlines() if line.startswith("SigIgn")).split()[1], 16)
assert ignored & 1 << signal.SIGINT - 1  # Ctrl-C is for the command
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks at the process in /proc")
def test_workers_are_prepared_before_anything_heavy_is_imported():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


FORKED = """
import os, sys, threading
from concurrent.futures import ProcessPoolExecutor
from ichmonai.processes import contexts as workers
workers._PRELOAD = []


def seen(name):
    return name in sys.modules, [one for one in os.listdir("/proc/self/fd") if readable(one) == "/dev/full"]


def readable(one):
    try:
        return os.readlink(f"/proc/self/fd/{one}")
    except OSError:
        return ""


if __name__ == "__main__":
    import json.tool  # which no interpreter loads by itself
    secret = open("/dev/full")
    stop = threading.Event()
    if sys.argv[1] == "threads":
        threading.Thread(target=stop.wait, daemon=True).start()
    workers.prepare_workers(here=sys.argv[1] != "not here")
    with ProcessPoolExecutor(1, workers.worker_context()) as pool:
        print(*pool.submit(seen, "json.tool").result(), sep=";")
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks at the process in /proc")
@pytest.mark.parametrize(("how", "forked"), [("here", True), ("not here", False), ("threads", False)])
def test_workers_have_what_this_process_has_imported_but_not_its_files(tmp_path, how, forked):
    program = tmp_path / "program.py"
    program.write_text(FORKED)
    result = subprocess.run([sys.executable, program, how], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr, result.returncode) == (f"{forked};[]\n", "", 0)


@pytest.mark.skipif(os.name != "posix", reason="there is no fork server")
def test_a_temporary_folder_whose_path_is_too_long_for_a_socket_is_not_taken(tmp_path):
    far = tmp_path / ("a" * 120)
    far.mkdir()
    environment = {**os.environ, "TMPDIR": str(far)}
    result = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
