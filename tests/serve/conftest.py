"""A server's application in this process, and the tiny bundle that answers for it in milliseconds."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("fastapi")

import httpx
from fastapi.testclient import TestClient

from ichmonai.prediction.bundle import BundleSource
from ichmonai.serve.app import create_app
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.store import Store
from ichmonai.serve.worker import Loaded, predict_upload
from tests.prediction.conftest import marking_bundle, small_bundle, whole_bundle  # noqa: F401  fixtures


class Alive:
    """A process that predicts and never ends."""

    alive = True


class Server:
    """An application with a client, whose queue is worked on when a test says so."""

    def __init__(self, options: ServeOptions, source: BundleSource) -> None:
        self.options, self.loaded = options, Loaded(source)
        self.store = Store(options.data)
        self.client = TestClient(create_app(options, Alive()), base_url="http://127.0.0.1")

    def work(self) -> None:
        """Predict all that waits."""
        while upload := self.store.take():
            predict_upload(self.store, upload["id"], self.loaded, self.options)

    def upload(self, *files: Path) -> str:
        """Upload files, and predict them."""
        upload = self.client.post("/api/uploads", json={"name": files[0].name}).json()["id"]
        for file in files:
            sent = self.client.put(
                f"/api/uploads/{upload}/files", params={"name": file.name}, content=file.read_bytes()
            )
            assert sent.status_code == 201, sent.text
        assert self.client.post(f"/api/uploads/{upload}/submit").status_code == 202
        self.work()
        return upload


@pytest.fixture
def make_server(tmp_path: Path, small_bundle: BundleSource) -> Iterator[Callable[..., Server]]:  # noqa: F811
    """Makes servers with options."""
    servers = []

    def make(source: BundleSource = small_bundle, **options: object) -> Server:
        chosen = {"data": tmp_path / "data", "workers": 1, **options}
        servers.append(Server(ServeOptions(**chosen), source))
        return servers[-1]

    yield make
    for one in servers:
        one.client.app.state.parts.volumes.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """One as it comes."""
    return make_server()


@pytest.fixture
def scan(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a small volume of noise, 12 slices."""

    def write(name: str) -> Path:
        noise = np.random.default_rng(sum(name.encode())).normal(30, 20, (96, 80, 12)).astype(np.float32)
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(noise, np.diag([2.0, 2.0, 9.0, 1.0])), path)
        return path

    return write


class Start:
    """Starts `ichmonai serve` in a process of its own; the bundle answers in milliseconds.

    Attributes:
        running: processes, each the leader of a group.
    """

    def __init__(self, bundle: Path, data: Path) -> None:
        self.bundle, self.data = bundle, data
        self.running: list[subprocess.Popen] = []

    def __call__(self, *options: str, trusted: Path | None = None) -> str:
        """Start one, over TLS where a certificate is trusted: its address, once it is healthy."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-P", "-m", "ichmonai", "serve", "--data", str(self.data), "--port", str(port)]
        command += ["--bundle", str(self.bundle), "--set", "runtime=torch", "--device", "cpu", "--workers", "1"]
        self.running.append(subprocess.Popen([*command, *options], start_new_session=True))
        address = f"http{'s' if trusted else ''}://127.0.0.1:{port}"
        verify = ssl.create_default_context(cafile=trusted) if trusted else True
        wait(lambda: httpx.get(f"{address}/healthz", verify=verify).status_code == 200)
        return address


@pytest.fixture
def start(whole_bundle: BundleSource, tmp_path: Path) -> Iterator[Start]:  # noqa: F811
    """Servers, which end with the test."""
    starts = Start(whole_bundle.root, tmp_path / "data")
    yield starts
    for one in starts.running:
        one.terminate()
        one.wait(30)


def wait(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Until it holds."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise TimeoutError
