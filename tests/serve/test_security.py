"""Strangers, other sites and too much data are kept out; nothing that is uploaded runs in a reader's browser."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.serve.security import COOKIE, is_foreign
from ichmonai.serve.uploads import remove_old
from tests.serve.conftest import Server

TOKEN = "a-token-" * 3
Make = Callable[..., Server]
Scan = Callable[[str], Path]


@pytest.mark.parametrize("path", ["/", "/api/worklist", "/api/studies/x", "/metrics", "/openapi.json", "/readings"])
def test_without_the_token_nothing_is_shown(make_server: Make, path: str) -> None:
    client = make_server(token=TOKEN).client
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get(path, headers={"cookie": f"{COOKIE}={TOKEN}"}).status_code == 401
    assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code in (200, 404)
    shown = client.get(path, headers={"accept": "text/html"}, follow_redirects=False)
    assert (shown.status_code, shown.headers["location"]) == (303, "/login")
    assert client.get("/healthz").status_code == 200


def test_a_reader_logs_in(make_server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ichmonai.serve.pages._WRONG", 0.0)
    client = make_server(token=TOKEN).client
    assert "not the token" in client.post("/login", data={"token": "wrong"}).text
    assert client.get("/api/worklist").status_code == 401
    answer = client.post("/login", data={"token": TOKEN}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/api/worklist").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:80"])
def test_other_names_are_refused(server: Server, host: str) -> None:
    assert server.client.get("/api/worklist", headers={"host": host}).status_code == 421
    assert server.client.get("/api/worklist", headers={"host": "localhost:8042"}).status_code == 200


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_site_changes_nothing(server: Server, scan: Scan, headers: dict[str, str]) -> None:
    server.upload(scan("one"))
    (study,) = server.client.get("/api/worklist").json()["studies"]
    said = {"author": "x", "haemorrhage": True}
    client, base = server.client, f"/api/studies/{study['id']}"
    assert client.post("/api/uploads", json={}, headers=headers).status_code == 403
    assert client.post(f"{base}/readings", json=said, headers=headers).status_code == 403
    assert client.delete(base, headers=headers).status_code == 403
    assert client.post("/login", data={"token": "x"}, headers=headers).status_code == 403
    assert client.get(base).status_code == 200
    assert (
        client.delete(base, headers={"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}).status_code == 204
    )


def test_programs_are_not_foreign() -> None:
    assert not is_foreign(Headers({"host": "127.0.0.1"}))


def test_names_and_remarks_are_text(server: Server, scan: Scan) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    upload = server.client.post("/api/uploads", json={"name": evil}).json()["id"]
    path = scan("one")
    server.client.put(f"/api/uploads/{upload}/files", params={"name": f"{evil}.nii.gz"}, content=path.read_bytes())
    server.client.put(f"/api/uploads/{upload}/files", params={"name": f"{evil}.dcm"}, content=b"no image")
    server.client.post(f"/api/uploads/{upload}/submit")
    server.work()
    (study,) = server.client.get("/api/worklist").json()["studies"]
    said = {"author": evil[:100], "haemorrhage": False, "text": evil}
    server.client.post(f"/api/studies/{study['id']}/readings", json=said)
    for page in ("/", "/worklist", f"/studies/{study['id']}", "/readings"):
        text = server.client.get(page).text
        assert "alert(1)" in text or page == "/readings"
        assert "<script>" not in text
        assert "<img src=x" not in text


def test_pages_have_no_inline_code_and_ask_nobody_else(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    (study,) = server.client.get("/api/worklist").json()["studies"]
    for page in ("/", f"/studies/{study['id']}", "/api", "/login", "/readings"):
        answer = server.client.get(page)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! src=\"/static/)", answer.text), page
        places = re.findall(r"(?:src|href)=\"([^\"]+)\"", answer.text)
        assert all(one.startswith("/") for one in places)
        for one in places:
            assert server.client.get(one).status_code == 200, one


def test_limits_hold_while_bytes_come(make_server: Make) -> None:
    server = make_server(upload_bytes=3 * 2**20, quota_bytes=4 * 2**20, upload_files=2)
    client = server.client

    def pieces(count: int) -> object:
        for _ in range(count):
            yield b"x" * 2**20

    first = client.post("/api/uploads", json={}).json()["id"]
    url = f"/api/uploads/{first}/files"
    sent = client.put(url, params={"name": "a"}, content=pieces(10))
    assert sent.status_code == 413
    assert "divide it" in sent.json()["detail"]
    assert list(server.store.place(first).rglob("a")) == []
    assert client.put(url, params={"name": "a"}, content=b"x" * 2**21).status_code == 201
    assert client.put(url, params={"name": "b"}, content=b"x").status_code == 201
    assert "files at most" in client.put(url, params={"name": "c"}, content=b"x").json()["detail"]
    second = client.post("/api/uploads", json={}).json()["id"]
    full = client.put(f"/api/uploads/{second}/files", params={"name": "a"}, content=pieces(3))
    assert (full.status_code, "full" in full.json()["detail"]) == (413, True)
    client.delete(f"/api/uploads/{first}")
    assert client.put(f"/api/uploads/{second}/files", params={"name": "a"}, content=pieces(3)).status_code == 201


def test_what_is_old_goes_with_its_files(server: Server, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = server.upload(scan("old")), server.upload(scan("new"))
    unended = server.client.post("/api/uploads", json={}).json()["id"]
    (server.options.data / "uploads" / "left").mkdir()
    with server.store.writing() as db:
        db.execute("UPDATE uploads SET created = created - 3 * 86400 WHERE id = ?", (old,))
        db.execute("UPDATE uploads SET touched = touched - 2 * 86400 WHERE id = ?", (unended,))
    assert remove_old(server.store, 2) == 2
    assert [one["id"] for one in server.store.uploads()] == [new]
    assert [one.name for one in (server.options.data / "uploads").iterdir()] == [new]
    monkeypatch.setattr(time, "time", lambda: time.monotonic() + 1e12)
    assert remove_old(server.store, None) == 0


def test_logs_name_nobody(
    server: Server, scan: Scan, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ichmonai")
    path = scan("Doe_Jane_1950")
    server.upload(path)
    broken = path.with_name("Doe_John.nii.gz")
    broken.write_bytes(b"nothing")
    server.upload(broken)
    (study,) = server.client.get("/api/worklist").json()["studies"]
    server.client.get(f"/api/studies/{study['id']}/volume")
    said = "".join((caplog.text, *capfd.readouterr()))
    assert "Doe" not in said
    assert "Doe" not in server.client.get("/metrics").text


def test_numbers_for_a_monitor(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    text = server.client.get("/metrics").text
    outcome = server.client.get("/api/worklist").json()["studies"][0]["answer"]["outcome"]
    assert f'ichmonai_studies{{outcome="{outcome}"}} 1.0' in text
    assert 'ichmonai_uploads{state="done"} 1.0' in text
    assert "ichmonai_predicting 1.0" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "needs a token"),  # noqa: S104
        (["--host", "192.168.1.5"], "needs a token"),
        (["--host", "::"], "needs a token"),
        (["--host", "a.example"], "needs a token"),
        (["--token-file", "SHORT"], "shorter than 16"),
        (["--certificate", "SHORT"], "both --certificate and --key"),
    ],
)
def test_an_unsafe_server_does_not_start(tmp_path: Path, options: list[str], sentence: str) -> None:
    (tmp_path / "short").write_text("short\n")
    given = [str(tmp_path / "short") if one == "SHORT" else one for one in options]
    done = CliRunner().invoke(app, ["serve", "--data", str(tmp_path / "data"), *given], env={"ICHMONAI_TOKEN": ""})
    assert done.exit_code == 2
    assert sentence in done.output.replace("\n", " ")
    assert not (tmp_path / "data").exists()
