"""A server with a certificate, and clients that verify it."""

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import Start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(make, check=True, capture_output=True)
    return paths


def test_clients_verify_the_certificate_and_nothing_is_said_in_the_clear(start: Start, tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "own")
    other, _ = certificate(tmp_path, "other")
    (tmp_path / "token").write_text("a token of many characters")
    given = ("--certificate", str(own), "--key", str(key), "--token-file", str(tmp_path / "token"))
    address = start(*given, trusted=own)
    trusts = ssl.create_default_context(cafile=own)
    asked = {"headers": {"authorization": "Bearer a token of many characters"}, "timeout": 60}
    worklist = httpx.get(f"{address}/api/worklist", verify=trusts, **asked)
    assert worklist.json() == {"studies": [], "uploads": []}
    assert worklist.headers["strict-transport-security"]
    login = httpx.post(f"{address}/login", data={"token": "a token of many characters"}, verify=trusts, timeout=60)
    assert login.status_code == 303
    assert "secure" in login.headers["set-cookie"].lower()
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{address}/api/worklist", verify=ssl.create_default_context(cafile=other), **asked)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http{address.removeprefix('https')}/api/worklist", **asked)
