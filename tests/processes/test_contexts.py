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
