"""The page on which readers review a dataset."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from PIL import Image

from ichmonai.datasets import DatasetError, drop_unreadable, filter_slices, load_datalist
from ichmonai.datasets.item import class_name
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.review import create_review_app
from ichmonai.serve.sheets import SHEET, Sheets
from tests.datasets.test_brain import draw

COUNT = SHEET + 2


@pytest.fixture
def data(tmp_path):
    """Slices of two patients: normal, deep, a deep one without brain, and one that cannot be read."""
    folder = tmp_path / "data"
    folder.mkdir()
    for k in range(COUNT):
        item = draw(folder / f"{k}.png", brain=k != 2)
        pixels = np.array(Image.open(item["image"]))
        pixels[0, : k + 1] = 7
        Image.fromarray(pixels).save(item["image"])
    (folder / "3.png").write_bytes(b"damaged")
    rows = "".join(f"{k}.png,p{k % 2},{int(k > 0)},{'deep' if k else ''}\n" for k in range(COUNT))
    (folder / "slices.csv").write_text("image,patient,ich,location\n" + rows)
    return folder


def sheets_of(data, review=None):
    return Sheets(load_datalist(data), data, review or data / "review.csv")


def client_of(sheets, token=""):
    app = create_review_app(ServeOptions(sheets.review.parent, token=token), sheets)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


def decide(client, slices, decision, reader="Dr A"):
    return client.post("/decisions", json={"slices": slices, "decision": decision, "reader": reader})


def rows(data):
    with (data / "review.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_sheet_shows_slices_with_their_labels_and_what_the_rule_would_do(data):
    client = client_of(sheets_of(data))
    page = client.get("/").text
    assert page.count('class="slice"') == SHEET
    assert page.count('class="rule"') == 1  # slice 2, of which hardly anything is brain
    assert "cannot be read: unreadable" in page
    assert "Sheet 1 of 2" in page
    assert f'open <span data-count="open">{COUNT}</span></a>' in page
    assert client.get("/", params={"sheet": 2}).text.count('class="slice"') == 2
    assert client.get("/", params={"label": "normal"}).text.count('class="slice"') == 1
    assert ".png" not in page  # names of files can name patients
    assert str(data) not in page
    picture = Image.open(io.BytesIO(client.get("/slices/0.jpg").content))
    assert Image.open(io.BytesIO(client.get("/slices/0.jpg?large=true").content)).size > picture.size
    hu = np.asarray(picture.resize((256, 256)), float)
    assert abs(hu[128, 128] - 120) < 8
    assert client.get("/slices/3.jpg").status_code == 404
    assert client.get(f"/slices/{COUNT}.jpg").status_code == 404


def test_decisions_are_saved_at_once_with_reader_and_time_and_training_takes_them(data):
    client = client_of(sheets_of(data))
    told = decide(client, [1], "reject").json()
    assert told["slices"] == [{"slice": 1, "state": "rejected", "decision": "reject", "by": "Dr A"}]
    assert told["counts"]["rejected"] == 1
    decide(client, [2], "keep")
    decide(client, [4], "lobar", " Dr B ")
    found = rows(data)
    assert [(row["image"], row["label"], row["decision"], row["reader"]) for row in found] == [
        ("1.png", "deep", "reject", "Dr A"),
        ("2.png", "deep", "keep", "Dr A"),
        ("4.png", "deep", "lobar", "Dr B"),
    ]
    assert all(row["time"].endswith("+00:00") and len(row["sha256"]) == 64 for row in found)
    items = drop_unreadable(load_datalist(data))
    kept = {
        item["image"].rpartition("/")[2]: class_name(item) for item in filter_slices(items, data / "review.csv", 0.15)
    }
    assert "1.png" not in kept
    assert (kept["2.png"], kept["4.png"], len(kept)) == ("deep", "lobar", COUNT - 2)


def test_a_review_is_gone_on_with(data):
    decide(client_of(sheets_of(data)), [0, 1], "reject")
    client = client_of(sheets_of(data))
    assert client.get("/", params={"show": "rejected"}).text.count('data-state="rejected"') == 2
    assert client.get("/", params={"show": "open"}).text.count('class="slice"') == SHEET
    decide(client, [0], "open", "Dr B")
    assert client.get("/", params={"show": "rejected"}).text.count('class="slice"') == 1
    (data / "1.png").write_bytes((data / "5.png").read_bytes())  # another image of that name
    page = client_of(sheets_of(data)).get("/", params={"show": "rejected"}).text
    assert 'data-state="open"' in page


def test_all_that_is_open_on_a_sheet_and_what_cannot_be_read(data):
    client = client_of(sheets_of(data))
    told = decide(client, [0, 3, 5], "keep").json()
    assert [one["state"] for one in told["slices"]] == ["kept", "open", "kept"]
    assert len(rows(data)) == 2


@pytest.mark.parametrize(
    "said",
    [
        {"slices": [0], "decision": "maybe", "reader": "A"},
        {"slices": [0], "decision": "keep", "reader": "  "},
        {"slices": [], "decision": "keep", "reader": "A"},
        {"slices": list(range(SHEET + 1)), "decision": "keep", "reader": "A"},
    ],
)
def test_what_is_no_decision_is_not_kept(data, said):
    client = client_of(sheets_of(data))
    assert client.post("/decisions", json=said).status_code == 422
    assert decide(client, [COUNT], "keep").status_code == 404
    assert decide(client, [-1], "keep").status_code == 404
    assert not (data / "review.csv").exists()


def test_a_reader_is_no_markup_and_no_formula(data):
    client = client_of(sheets_of(data))
    decide(client, [0], "keep", "=1+1<script>alert(1)</script>")
    assert rows(data)[0]["reader"].startswith("'=1+1<script>")
    page = client.get("/").text
    assert "=1+1&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_gate_is_that_of_the_page(data):
    sheets = sheets_of(data)
    open_to_all = client_of(sheets)
    assert "default-src 'none'" in open_to_all.get("/").headers["content-security-policy"]
    assert open_to_all.get("/", headers={"host": "evil.example"}).status_code == 421
    foreign = {"sec-fetch-site": "cross-site"}
    said = {"slices": [0], "decision": "keep", "reader": "A"}
    assert open_to_all.post("/decisions", json=said, headers=foreign).status_code == 403
    known = "0123456789abcdef"
    client = client_of(sheets, known)
    assert client.get("/slices/0.jpg").status_code == 401
    assert client.post("/decisions", json=said).status_code == 401
    assert client.get("/", headers={"accept": "text/html"}).headers["location"] == "/login"
    assert "Token" in client.get("/login").text
    assert client.post("/login", content=f"token={known}").status_code == 303
    assert client.get("/").status_code == 200
    assert not (data / "review.csv").exists()


def test_what_cannot_be_written_is_said(data, monkeypatch):
    client = client_of(sheets_of(data))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ichmonai.serve.sheets.add_decisions", full)
    answer = decide(client, [0], "keep")
    assert (answer.status_code, "No space left on device" in answer.json()["detail"]) == (507, True)
    assert 'data-state="kept"' not in client.get("/").text


def test_labels_of_rsna_are_refused(data):
    items = [{**item, "label": np.zeros(6, np.float32)} for item in load_datalist(data)]
    with pytest.raises(DatasetError, match="labels of RSNA"):
        Sheets(items, data, data / "review.csv")
