"""A real server with a real browser, many uploads at once, and a kill in the middle."""

import base64
import json
import os
import shutil
import signal
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom, write_nifti
from ichmonai.serve.export import export_readings
from ichmonai.serve.options import MB
from ichmonai.serve.store import Store
from tests.serve.conftest import Start, wait

pytestmark = pytest.mark.slow
LONGEST = 300_000
"""Milliseconds for which something in the browser is waited for."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def worklist(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/api/worklist", timeout=60).json()


def peak(pid: int) -> int:
    """Bytes of memory that a process has had at most; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def test_files_go_to_the_disk_without_staying_in_memory(start: Start, tmp_path: Path) -> None:
    address = start()
    before = peak(start.running[0].pid)
    upload = httpx.post(f"{address}/api/uploads", json={"name": "large"}).json()["id"]
    block = bytes(MB)

    def send(number: int) -> None:
        place = f"{address}/api/uploads/{upload}/files"
        sent = httpx.put(place, params={"name": f"{number}.nii"}, content=(block for _ in range(128)), timeout=300)
        assert sent.json() == {"bytes": 128 * MB}

    with ThreadPoolExecutor(4) as senders:
        list(senders.map(send, range(4)))
    assert sum(one.stat().st_size for one in (tmp_path / "data" / "uploads").rglob("*.nii")) == 512 * MB
    assert peak(start.running[0].pid) - before < 128 * MB
    assert httpx.delete(f"{address}/api/uploads/{upload}").status_code == 204
    assert not list((tmp_path / "data" / "uploads").rglob("*.nii"))


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

    before = peak(start.running[0].pid)
    with ThreadPoolExecutor(50) as senders:
        sent = set(senders.map(send, range(50)))
    wait(lambda: sum(one["state"] == "done" for one in worklist(address)["uploads"]) >= 5)
    assert peak(start.running[0].pid) - before < 256 * MB
    os.killpg(start.running[0].pid, signal.SIGKILL)
    start.running.pop(0).wait()
    done = {one["id"] for one in Store(tmp_path / "data").uploads() if one["state"] == "done"}
    assert 5 <= len(done) < 50
    address = start()
    wait(lambda: all(one["state"] == "done" for one in worklist(address)["uploads"]), 500)
    found = worklist(address)
    assert {one["id"] for one in found["uploads"]} == sent
    assert {one["upload"] for one in found["studies"]} == sent
    assert len({one["answer"]["p_ich"] for one in found["studies"]}) == 1  # of the same file, before and after
    assert len({one["answer"]["sha256"] for one in found["studies"]}) == 1


def until(page: Any, script: str) -> None:
    """Until it holds; `wait_for_function` evaluates text in the page, which the server's policy forbids."""
    wait(lambda: page.evaluate(script), LONGEST / 1000)


@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")
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
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LONGEST)
        page = browser.new_page()
        page.set_default_timeout(LONGEST)
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
        # The network may still be loading, as long as a busy machine takes; the page is looked at when it has answered.
        wait(lambda: [one["state"] for one in worklist(address)["uploads"]] == ["done"], LONGEST / 1000)
        page.hover("table.worklist .name a")
        page.mouse.down()
        httpx.post(f"{address}/api/uploads", json={"name": "another"}, timeout=60)
        for _ in range(2):  # the worklist changes while the reader's finger is down, and must not take the row away
            page.wait_for_event("response", lambda answer: answer.url.endswith("/worklist"))
        page.mouse.up()
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
        until(page, f"({picture}) !== {json.dumps(first)}")
        assert "width 2800" in page.inner_text("#corner")
        page.keyboard.press("1")
        until(page, f"({picture}) === {json.dumps(first)}")
        page.click("#curve svg", position={"x": page.locator("#curve svg").bounding_box()["width"] * 0.5, "y": 20})
        until(page, f"document.getElementById('viewer').dataset.shown !== '{leading}'")
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
