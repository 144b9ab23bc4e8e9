"""What readers say is kept, counted, and comes out as data."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom
from ichmonai.evaluation import evaluate
from ichmonai.serve.pages import ranges
from tests.serve.conftest import Server

Scan = Callable[[str], Path]


def studies(server: Server) -> list[str]:
    found = server.client.get("/api/worklist").json()["studies"]
    return [one["id"] for one in sorted(found, key=lambda one: one["created"])]


def say(server: Server, study: str, haemorrhage: bool, author: str = "Reader", **more: object) -> dict:
    said = {"author": author, "haemorrhage": haemorrhage, **more}
    answer = server.client.post(f"/api/studies/{study}/readings", json=said)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_reading_is_kept_with_the_answer_that_it_is_of(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    (study,) = studies(server)
    answer = server.client.get(f"/api/studies/{study}").json()
    say(server, study, True, location="deep", kinds=["intraventricular"], slices=[5, 4, 5], text="<b>old</b>")
    (kept,) = server.client.get(f"/api/studies/{study}/readings").json()
    assert kept["slices"] == [4, 5]
    assert kept["weights"] == answer["facts"]["weights_sha256"]
    assert (kept["outcome"], kept["p_ich"]) == (answer["answer"]["outcome"], answer["answer"]["p_ich"])
    page = server.client.get(f"/studies/{study}").text
    assert "slices 5-6" in page
    assert "&lt;b&gt;old&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"author": " "},
        {"location": "cellar"},
        {"kinds": ["blue"]},
        {"slices": [12]},
        {"slices": [-1]},
        {"haemorrhage": False, "location": "deep"},
        {"text": "x" * 5000},
    ],
)
def test_what_cannot_be_is_refused(server: Server, scan: Scan, wrong: dict) -> None:
    server.upload(scan("one"))
    (study,) = studies(server)
    said = {"author": "Reader", "haemorrhage": True, **wrong}
    assert server.client.post(f"/api/studies/{study}/readings", json=said).status_code == 422
    assert server.client.get(f"/api/studies/{study}/readings").json() == []


def test_agreement_counts_the_last_reading_of_each_reader(server: Server, scan: Scan) -> None:
    for name in ("a", "b", "c"):
        server.upload(scan(name))
    for study in studies(server):
        positive = server.client.get(f"/api/studies/{study}").json()["answer"]["outcome"] == "positive"
        say(server, study, not positive)
        say(server, study, positive)
        say(server, study, not positive, "Another")
    rows = {one["what"]: one for one in server.client.get("/api/agreement").json()}
    assert (rows["haemorrhage or none"]["agreed"], rows["haemorrhage or none"]["count"]) == (3, 6)
    assert rows["answered positive"]["count"] + rows["answered negative"]["count"] == 6
    # Wilson's interval of 3 of 6, by hand: centre (3 + z2/2) / (6 + z2), half width z / (6 + z2) sqrt(6/4 + z2/4).
    z2 = 1.959964**2
    half = z2**0.5 / (6 + z2) * (1.5 + z2 / 4) ** 0.5
    assert rows["haemorrhage or none"]["low"] == pytest.approx(0.5 - half, abs=1e-6)
    assert "3 of 6" in server.client.get("/readings").text


def test_a_deleted_study_takes_its_readings_along(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    (study,) = studies(server)
    say(server, study, True)
    server.client.delete(f"/api/studies/{study}")
    assert server.store.db.execute("SELECT COUNT(*) FROM readings").fetchone()[0] == 0


def test_predicting_again_keeps_readings(server: Server, scan: Scan) -> None:
    upload = server.upload(scan("one"))
    (study,) = studies(server)
    say(server, study, True)
    server.store.set_state(upload, "queued")
    (server.store.place(upload) / "results" / "journal.sqlite").unlink()
    server.work()
    assert len(server.client.get(f"/api/studies/{study}/readings").json()) == 1


def test_the_export_is_data_to_train_on_and_to_evaluate(server: Server, tmp_path: Path) -> None:
    kinds = (PhantomKind.DEEP, PhantomKind.NORMAL, PhantomKind.LOBAR, PhantomKind.DEEP)
    phantoms = [make_study(i, size=96, kind=kind) for i, kind in enumerate(kinds)]
    for number, one in enumerate(phantoms):
        (tmp_path / str(number)).mkdir()
        write_dicom(tmp_path / str(number), [one])
        server.upload(*sorted((tmp_path / str(number)).rglob("*.dcm")))
    bleeding, normal, unsaid, disputed = studies(server)
    shown = [i for i, one in enumerate(phantoms[0].truth) if one.ich]
    say(server, bleeding, True, location="deep", slices=shown, kinds=["intraparenchymal"], text="=1+1")
    say(server, normal, False)
    say(server, unsaid, True)
    say(server, disputed, True)
    say(server, disputed, False, "Another")
    out = tmp_path / "export"
    done = CliRunner().invoke(app, ["feedback", "export", str(out), "--data", str(server.options.data)])
    assert done.exit_code == 0, done.output
    assert "1 left out" in done.output
    items = load_datalist(out)
    by_study = {}
    with (out / "slices.csv").open(newline="") as file:
        for row, item in zip(csv.DictReader(file), items, strict=True):
            by_study.setdefault(row["study"], []).append((int(row["slice"]), item))
    assert set(by_study) == {bleeding, normal}
    assert {number for number, item in by_study[bleeding] if item["label"][0]} <= set(shown)
    assert sum(item["label"][0] for _, item in by_study[bleeding]) >= len(shown) - 2  # the others show little brain
    assert not any(item["label"][0] for _, item in by_study[normal])
    assert all(item["label"][1] == 0 for _, item in by_study[bleeding] if item["label"][0])
    assert len({item["patient"] for item in items}) == 2
    assert np.asarray(Image.open(items[0]["image"])).max() > 50
    judged = evaluate(out / "predictions.csv", resamples=20)
    assert judged.finest.cases.level == "slice"
    assert (judged.finest.cases.truth["ich"] == 1).sum() >= len(shown) - 2
    of_studies = evaluate(out / "studies.csv", resamples=20)
    assert sorted(of_studies.finest.cases.truth["ich"]) == [0, 1, 1]
    assert "'=1+1" in (out / "readings.csv").read_text()
    again = CliRunner().invoke(app, ["feedback", "export", str(out), "--data", str(server.options.data)])
    assert again.exit_code == 2


def test_nothing_read_is_said(server: Server, scan: Scan, tmp_path: Path) -> None:
    server.upload(scan("one"))
    done = CliRunner().invoke(app, ["feedback", "export", str(tmp_path / "o"), "--data", str(server.options.data)])
    assert done.exit_code == 2
    assert "read some on the page" in done.output


def test_ranges() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "1-3, 6, 8-9"
