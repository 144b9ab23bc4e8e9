"""A signal that comes when a network has been closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ichmonai.processes.safe_path import safe_environment

# As a server does whose predictor ends in another thread than it began in.
PROGRAM = """
import gc, os, signal, sys, threading
import numpy as np
import torch
from openvino import Model, opset13, save_model
from pathlib import Path
from ichmonai.runtimes.sessions import open_file

image = opset13.parameter([1, 3, 8, 8], np.float32)
save_model(Model([opset13.relu(image)], [image]), sys.argv[1])
opened = [open_file("openvino", Path(sys.argv[1]), "fp32")]
opened[0](torch.zeros(1, 3, 8, 8))

def close():
    opened.clear()
    gc.collect()

closing = threading.Thread(target=close)
closing.start()
closing.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.skipif(os.name != "posix", reason="the system has no signals")
def test_a_signal_is_handled_after_a_network_was_closed_in_another_thread(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "network.xml")]
    environment = {**safe_environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
