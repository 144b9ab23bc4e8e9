"""The process that predicts is replaced when it ends, and what ends it does not hold up the others."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ichmonai.prediction.bundle import BundleSource
from ichmonai.processes.contexts import prepare_workers
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.server import Predicting
from ichmonai.serve.store import DONE, FAILED, QUEUED, Store
from tests.serve.conftest import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def predicting(whole_bundle: BundleSource, tmp_path: Path) -> Iterator[Predicting]:
    """A process with a tiny network."""
    prepare_workers()  # as a server does, whose temporary folder is in use then
    started = Predicting(whole_bundle, ServeOptions(tmp_path / "data", workers=1))
    yield started
    started.close()


def queue(server: Server, scan: Path) -> str:
    sent = server.client.post("/api/predict", params={"name": scan.name}, content=scan.read_bytes())
    return sent.json()["id"]


def state(store: Store, upload: str, *wanted: str, seconds: float = 200) -> str:
    """What it comes to."""
    ends = time.monotonic() + seconds
    while (found := store.upload(upload)) and found["state"] not in wanted and time.monotonic() < ends:
        time.sleep(0.2)
    assert found is not None
    return found["state"]


def test_another_takes_the_place_of_one_that_was_killed(
    predicting: Predicting, make_server: Callable[..., Server], scan: Callable[[str], Path]
) -> None:
    server = make_server()
    assert state(server.store, queue(server, scan("first")), DONE, FAILED) == DONE
    killed = predicting._process.pid
    os.kill(killed, signal.SIGKILL)
    assert state(server.store, queue(server, scan("second")), DONE, FAILED) == DONE
    assert predicting._process.pid != killed


def test_what_ends_its_process_twice_has_failed(server: Server, scan: Callable[[str], Path]) -> None:
    upload, other = queue(server, scan("one")), queue(server, scan("other"))
    for _ in range(2):
        taken = server.store.take()
        assert taken is not None
        assert taken["id"] == upload
        server.store.requeue()
    found = server.store.upload(upload)
    assert found is not None
    assert found["state"] == FAILED
    assert "twice" in found["sentence"]
    taken = server.store.take()
    assert taken is not None
    assert taken["id"] == other
    server.store.forgive()  # the server itself was ended
    server.store.requeue()
    again = server.store.upload(other)
    assert again is not None
    assert (again["state"], again["attempts"]) == (QUEUED, 0)
