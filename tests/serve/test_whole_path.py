"""A real server with a real browser, many uploads at once, and a kill in the middle."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom, write_nifti
from ichmonai.prediction.bundle import BundleSource
from ichmonai.serve.export import export_readings
from ichmonai.serve.store import Store

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Start = Callable[..., str]


@pytest.fixture
def start(whole_bundle: BundleSource, tmp_path: Path) -> Iterator[Start]:
    """Starts `ichmonai serve` with a tiny network, and gives its address."""
    running: list[subprocess.Popen] = []

    def begin() -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-P", "-m", "ichmonai", "serve", "--data", str(tmp_path / "data")]
        command += ["--bundle", str(whole_bundle.root), "--set", "runtime=torch", "--device", "cpu"]
        running.append(subprocess.Popen([*command, "--port", str(port), "--workers", "1"], start_new_session=True))
        address = f"http://127.0.0.1:{port}"
        wait(lambda: httpx.get(f"{address}/healthz").status_code == 200)
        return address

    begin.running = running  # type: ignore[attr-defined]
    yield begin
    for one in running:
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


def worklist(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/api/worklist", timeout=60).json()


def test_fifty_uploads_and_a_kill_lose_nothing(start: Start, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    write_nifti(tmp_path / "scans", [make_study(3, size=96, kind=PhantomKind.DEEP)])
    (scan,) = (tmp_path / "scans").rglob("*.nii.gz")
    content = scan.read_bytes()
    address = start()

    def send(number: int) -> str:
        answer = httpx.post(f"{address}/api/predict", params={"name": f"{number}.nii.gz"}, content=content, timeout=120)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    with ThreadPoolExecutor(50) as senders:
        sent = set(senders.map(send, range(50)))
    wait(lambda: sum(one["state"] == "done" for one in worklist(address)["uploads"]) >= 5)
    os.killpg(start.running[0].pid, signal.SIGKILL)  # type: ignore[attr-defined]
    start.running.pop(0).wait()  # type: ignore[attr-defined]
    done = {one["id"] for one in Store(tmp_path / "data").uploads() if one["state"] == "done"}
    assert 5 <= len(done) < 50
    address = start()
    wait(lambda: all(one["state"] == "done" for one in worklist(address)["uploads"]), 500)
    found = worklist(address)
    assert {one["id"] for one in found["uploads"]} == sent
    assert {one["upload"] for one in found["studies"]} == sent
    assert len({one["answer"]["p_ich"] for one in found["studies"]}) == 1  # of the same file, before and after
    assert len({one["answer"]["sha256"] for one in found["studies"]}) == 1


@pytest.mark.skipif(
    not (CHROMIUM and os.environ.get("ICHMONAI_BROWSER")), reason="ICHMONAI_BROWSER is not set, or there is no chromium"
)
def test_the_whole_path_in_a_browser(start: Start, tmp_path: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    (tmp_path / "scans").mkdir()
    write_dicom(tmp_path / "scans", [make_study(4, size=128, kind=PhantomKind.DEEP)])
    with zipfile.ZipFile(tmp_path / "phantom.zip", "w") as archive:
        for file in (tmp_path / "scans").rglob("*.dcm"):
            archive.write(file, file.relative_to(tmp_path))
    address = start()
    content = base64.b64encode((tmp_path / "phantom.zip").read_bytes()).decode()
    wrong: list[str] = []
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        page.goto(address)
        page.evaluate(
            """content => {
                const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
                const dropped = new DataTransfer();
                dropped.items.add(new File([bytes], "phantom.zip"));
                const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
                document.getElementById("drop").dispatchEvent(event);
            }""",
            content,
        )
        page.click("table.worklist .name a")
        page.wait_for_selector("#viewer[data-shown]")
        leading = int(page.get_attribute("#viewer", "data-shown"))
        picture = "document.getElementById('canvas').toDataURL()"
        first = page.evaluate(picture)
        page.hover("#canvas")
        page.mouse.wheel(0, 120)
        page.wait_for_selector(f"#viewer[data-shown='{leading - 1}']")
        assert page.evaluate(picture) != first
        page.keyboard.press("ArrowUp")
        page.wait_for_selector(f"#viewer[data-shown='{leading}']")
        page.keyboard.press("5")
        page.wait_for_function(f"({picture}) !== {json.dumps(first)}")
        assert "width 2800" in page.inner_text("#corner")
        page.keyboard.press("1")
        page.wait_for_function(f"({picture}) === {json.dumps(first)}")
        page.click("#curve svg", position={"x": page.locator("#curve svg").bounding_box()["width"] * 0.5, "y": 20})
        page.wait_for_function(f"document.getElementById('viewer').dataset.shown !== '{leading}'")
        page.fill("[name=author]", "Reader")
        page.check("[name=haemorrhage][value=yes]")
        page.select_option("[name=location]", "deep")
        page.fill("[name=slices]", "1-3")
        page.click("#lead")
        page.wait_for_selector(f"#viewer[data-shown='{leading}']")
        page.click("#mark")
        page.click("#reading .main")
        page.wait_for_selector("#readings .reading")
        assert f"slices 1-3, {leading + 1}" in page.inner_text("#readings")
        study = page.get_attribute("#viewer", "data-study")
        page.goto(f"{address}/readings")
        assert "of 1" in page.inner_text("table")
        browser.close()
    assert wrong == []
    (reading,) = httpx.get(f"{address}/api/studies/{study}/readings").json()
    assert reading["slices"] == [0, 1, 2, leading]
    counts = export_readings(Store(tmp_path / "data"), tmp_path / "export")
    assert (counts.studies, counts.disputed) == (1, 0)
    positives = [item for item in load_datalist(tmp_path / "export") if item["label"][0]]
    assert leading in {item["slice"] for item in positives}
