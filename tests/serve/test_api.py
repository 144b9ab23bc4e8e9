"""What is uploaded gets its answer, and goes when it is deleted."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ichmonai.prediction.bundle import BundleSource
from ichmonai.serve.uploads import safe_path
from tests.serve.conftest import Server

Scan = Callable[[str], Path]


def test_an_upload_gets_the_answer_of_predict(server: Server, scan: Scan, tmp_path: Path) -> None:
    from rich.console import Console

    from ichmonai.prediction.engines import make_engine
    from ichmonai.prediction.progress import BatchProgress
    from ichmonai.prediction.run import BatchOptions, run_batch

    path = scan("one")
    server.upload(path)
    (study,) = server.client.get("/api/worklist").json()["studies"]
    options, engine = BatchOptions(), make_engine("local", 1, 60, True)
    run_batch([path], tmp_path / "out", server.loaded.source, engine, options, BatchProgress(Console(), True))
    with (tmp_path / "out" / "studies.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {name: str(study["answer"][name]) for name in ("outcome", "p_ich", "leading_slice", "sha256")} == {
        name: row[name] for name in ("outcome", "p_ich", "leading_slice", "sha256")
    }
    assert str(server.options.data) not in json.dumps(study)
    assert len(server.client.get(f"/api/studies/{study['id']}").json()["slices"]) == 12


def test_the_most_urgent_stand_first(server: Server, scan: Scan) -> None:
    for name in ("a", "b", "c", "d"):
        server.upload(scan(name))
    answers = [one["answer"] for one in server.client.get("/api/worklist").json()["studies"]]
    order = [(one["outcome"] != "positive", -float(one["p_ich"])) for one in answers]
    assert len({float(one["p_ich"]) for one in answers}) == 4
    assert order == sorted(order)


def test_slices_are_those_of_the_file(server: Server, scan: Scan) -> None:
    path = scan("one")
    server.upload(path)
    (study,) = server.client.get("/api/worklist").json()["studies"]
    facts = server.client.get(f"/api/studies/{study['id']}/volume").json()
    assert facts == {"shape": [12, 80, 96], "spacing": [2.0, 2.0], "placed": True, "mask": False}
    raw = server.client.get(f"/api/studies/{study['id']}/volume/5").content
    # Index (I, J) of an image in RAS+: rows of a picture go to posterior, columns to the patient's left.
    wanted = np.asarray(nib.load(path).dataobj)[::-1, ::-1, 5].T.round().astype(np.int16)
    np.testing.assert_array_equal(np.frombuffer(raw, "<i2").reshape(80, 96), wanted)
    for number in (-1, 12):
        assert server.client.get(f"/api/studies/{study['id']}/volume/{number}").status_code == 404


def test_a_mask_lies_on_the_slices(
    make_server: Callable[..., Server], marking_bundle: BundleSource, scan: Scan
) -> None:
    server = make_server(marking_bundle)
    server.upload(scan("one"))
    (study,) = server.client.get("/api/worklist").json()["studies"]
    facts = server.client.get(f"/api/studies/{study['id']}/volume").json()
    assert facts["mask"]
    number = study["answer"]["leading_slice"]
    mask = np.frombuffer(server.client.get(f"/api/studies/{study['id']}/mask/{number}").content, np.uint8)
    assert mask.size == 80 * 96
    assert mask.any()
    page = server.client.get(f"/studies/{study['id']}").text
    assert f"{float(study['answer']['volume_ml']):.1f} mL" in page
    packed = server.client.get(f"/api/studies/{study['id']}/mask.nii.gz").content
    labels = np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(packed)).dataobj)
    assert (labels > 0).sum(axis=(0, 1))[number] == (mask > 0).sum()


def test_downloads(server: Server, scan: Scan) -> None:
    server.upload(scan("one"))
    (study,) = server.client.get("/api/worklist").json()["studies"]
    base = f"/api/studies/{study['id']}"
    with zipfile.ZipFile(io.BytesIO(server.client.get(f"{base}/report.zip").content)) as archive:
        names = archive.namelist()
        assert {"report.html", "studies.csv", "slices.csv"} <= set(names)
        assert sum(name.endswith(".jpg") for name in names) == 4
    assert len(list(csv.DictReader(io.StringIO(server.client.get(f"{base}/slices.csv").text)))) == 12
    assert server.client.get(f"{base}/journal.csv").status_code == 404
    for name in ("small", "seen"):
        assert server.client.get(f"{base}/pictures/{name}").content[:2] == b"\xff\xd8"
    assert server.client.get(f"{base}/pictures/strip").status_code == 404


def test_what_is_no_image_is_refused_with_its_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    upload = server.upload(tmp_path / "broken.nii.gz")
    found = server.client.get(f"/api/uploads/{upload}").json()
    assert found["state"] == "done"
    (refused,) = found["refused"]
    assert refused["code"] == "unreadable"
    assert refused["sentence"].startswith("broken.nii.gz")
    assert refused["sentence"].replace("'", "&#39;")[:20] in server.client.get("/").text


def test_a_study_of_which_all_is_refused_has_a_row(server: Server, tmp_path: Path) -> None:
    coarse = nib.Nifti1Image(np.zeros((24, 24, 12), np.float32), np.diag([9.0, 9.0, 9.0, 1.0]))
    nib.save(coarse, tmp_path / "coarse.nii.gz")
    upload = server.upload(tmp_path / "coarse.nii.gz")
    found = server.client.get(f"/api/uploads/{upload}").json()
    assert [one["code"] for one in found["refused"]] == ["bad_geometry"]
    (study,) = found["studies"]
    assert study["answer"]["outcome"] == "no_prediction"
    assert "no prediction" in server.client.get("/").text
    assert server.client.get(f"/studies/{study['id']}").status_code == 200


def test_several_studies_of_one_archive_and_deletion(server: Server, scan: Scan, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a", "b"):
            archive.write(scan(name), f"{name}.nii.gz")
    upload = server.upload(tmp_path / "two.zip")
    studies = server.client.get("/api/worklist").json()["studies"]
    assert len(studies) == 2
    server.client.get(f"/api/studies/{studies[0]['id']}/volume")
    assert "and the 1 that came with it" in server.client.get(f"/studies/{studies[0]['id']}").text
    assert server.client.delete(f"/api/studies/{studies[0]['id']}").status_code == 204
    assert not server.store.place(upload).exists()
    assert server.client.get("/api/worklist").json() == {"studies": [], "uploads": []}
    assert server.client.get(f"/studies/{studies[1]['id']}").status_code == 404


def test_one_request_uploads_and_queues(server: Server, scan: Scan) -> None:
    sent = server.client.post("/api/predict", params={"name": "x.nii.gz"}, content=scan("x").read_bytes())
    assert sent.status_code == 202
    server.work()
    assert len(server.client.get(f"/api/uploads/{sent.json()['id']}").json()["studies"]) == 1


def test_the_description_has_every_route(server: Server) -> None:
    described = server.client.get("/openapi.json").json()["paths"]
    assert {"/api/uploads", "/api/worklist", "/api/studies/{study}", "/healthz"} <= set(described)
    page = server.client.get("/api").text
    assert all(path in page for path in described)
    assert server.client.get("/healthz").json() == {"alive": True, "waiting": 0}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a/b.dcm", "a/b.dcm"),
        ("a\\b.dcm", "a/b.dcm"),
        ("/etc/passwd", "etc/passwd"),
        ("./.hidden/x", "hidden/x"),
        ("Müller <1>.nii.gz", "Müller _1_.nii.gz"),
    ],
)
def test_names_of_files_stay_in_their_folder(name: str, wanted: str) -> None:
    assert str(safe_path(name)) == wanted


@pytest.mark.parametrize("name", ["", "/", "..", "a/../../b", "a/..", "x" * 200, "a/" * 20 + "b"])
def test_names_that_lead_out_are_refused(server: Server, name: str) -> None:
    upload = server.client.post("/api/uploads", json={}).json()["id"]
    sent = server.client.put(f"/api/uploads/{upload}/files", params={"name": name}, content=b"x")
    assert sent.status_code == 400
    assert not server.store.place(upload).exists()


def test_a_folder_of_pictures_is_one_study_where_that_is_asked_for(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(one_study_per_folder=True)
    upload = server.client.post("/api/uploads", json={"name": "slices"}).json()["id"]
    rng = np.random.default_rng(0)
    for number in (1, 2, 10):
        Image.fromarray(rng.integers(0, 255, (96, 80), np.uint8)).save(tmp_path / "one.png")
        name = {"name": f"slices/{number}.png"}
        content = (tmp_path / "one.png").read_bytes()
        assert server.client.put(f"/api/uploads/{upload}/files", params=name, content=content).status_code == 201
    server.client.post(f"/api/uploads/{upload}/submit")
    server.work()
    (study,) = server.client.get("/api/worklist").json()["studies"]
    assert study["answer"]["study"] == "slices"
    assert any("no spacing" in one for one in study["warnings"])
    assert server.client.get(f"/api/studies/{study['id']}/volume").json()["shape"] == [3, 96, 80]
    assert not server.client.get(f"/api/studies/{study['id']}/volume").json()["placed"]  # nobody knows its sides
    last = np.frombuffer(server.client.get(f"/api/studies/{study['id']}/volume/2").content, "<i2").reshape(96, 80)
    picture = np.asarray(Image.open(tmp_path / "one.png"), float)
    np.testing.assert_allclose(last, picture * 80 / 255, atol=0.51)
    assert server.client.get(f"/studies/{study['id']}").status_code == 200
