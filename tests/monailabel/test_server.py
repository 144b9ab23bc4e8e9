"""Real MONAI Label servers, asked over HTTP. The environment is installed, so these tests are not run by default."""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets.phantom import PhantomKind, PhantomStudy, make_study, write_dicom, write_nifti
from ichmonai.datasets.phantom.haemorrhage import COMPARTMENTS
from ichmonai.io import load_head_ct
from ichmonai.monailabel.explanation import outline
from ichmonai.monailabel.folder import MODEL
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.rows import typed
from tests.prediction.test_run import table

pytestmark = [pytest.mark.monailabel, pytest.mark.timeout(1800)]

OVERLAY = "ich_saliency"
KINDS = [PhantomKind.NORMAL, PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL] * 2 + [None, None]


class Client:
    """Requests to a server, and the server's process."""

    def __init__(self, process: subprocess.Popen, port: int, log: Path) -> None:
        self.process, self.address, self.log = process, f"http://127.0.0.1:{port}", log

    def __call__(self, method: str, path: str, json_body: Any = None, **query: str) -> Any:
        body = None if json_body is None else json.dumps(json_body).encode()
        return self._send(method, path, query, body, "application/json")[1]

    def upload(self, method: str, path: str, fields: dict[str, str | Path], **query: str) -> tuple[str, Any]:
        """Send a form; answer with content type and content, parsed where it is JSON."""
        boundary, body = uuid.uuid4().hex, b""
        for name, value in fields.items():
            is_file = isinstance(value, Path)
            name_of_file = f'; filename="{value.name}"' if is_file else ""
            body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{name_of_file}\r\n\r\n'.encode()
            body += (value.read_bytes() if is_file else value.encode()) + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        return self._send(method, path, query, body, f"multipart/form-data; boundary={boundary}")

    def wait(self, what: Callable[[], Any]) -> Any:
        """Ask until the answer is true, as long as the server lives; pytest's timeout ends it."""
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                if answer := what():
                    return answer
            except urllib.error.URLError as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
            time.sleep(0.5)

    def _send(self, method: str, path: str, query: dict, body: bytes | None, kind: str) -> tuple[str, Any]:
        address = f"{self.address}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, body, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as response:
            content, kind = response.read(), response.headers["Content-Type"]
        return kind, json.loads(content) if kind.startswith("application/json") else content


@pytest.fixture(scope="module")
def phantoms() -> list[PhantomStudy]:
    """Two of each class, and two that nobody will label."""
    return [make_study(40 + i, kind=kind, size=96, patient=f"P{i}") for i, kind in enumerate(KINDS)]


@pytest.fixture(scope="module")
def studies(phantoms: list[PhantomStudy], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies folder."""
    folder = tmp_path_factory.mktemp("studies")
    write_nifti(folder, phantoms)
    return folder


@pytest.fixture(scope="module")
def series(phantoms: list[PhantomStudy], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM series folder."""
    folder = tmp_path_factory.mktemp("dicom")
    write_dicom(folder, phantoms[1:2])
    return next(folder.rglob("*.dcm")).parent


def serve(prepared: Path, studies: Path, log: Path, *options: str) -> Iterator[Client]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ichmonai", "label", "start", prepared, "--studies", studies, "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen([*map(str, command), *options], stdout=output, stderr=output)
        client = Client(process, port, log)
        try:
            client.wait(lambda: client("GET", "/info/"))
            yield client
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def server(prepared: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The package's app."""
    yield from serve(prepared, studies, tmp_path_factory.mktemp("log") / "server.log")


@pytest.fixture(scope="module")
def stock(prepared: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """MONAI Label's own app."""
    yield from serve(prepared, studies, tmp_path_factory.mktemp("log") / "stock.log", "--stock")


@pytest.fixture(scope="module")
def bundle(prepared: Path) -> InferenceBundle:
    """The same model, in this environment."""
    return InferenceBundle(BundleSource(prepared / "models" / MODEL, RUNTIME))


def rows_of_predict(bundle: InferenceBundle, path: Path) -> tuple[dict, list[dict]]:
    """What `ichmonai predict` writes of one input into its tables, numbers as numbers."""
    model, options = bundle.path.parents[1], ("--trust", "--device", "cpu", "--runtime", "torch", "--workers", "1")
    with tempfile.TemporaryDirectory() as out:
        command = ["predict", str(path), "--out", out, "--bundle", str(model), *options]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        (study,), slices = (
            [{name: typed(name, cell) for name, cell in row.items()} for row in table(Path(out, name))]
            for name in ("studies.csv", "slices.csv")
        )
    return study, slices


RUNTIME = {"runtime": "torch"}  # which MONAI Label runs
PROBABILITIES = ("p_ich", "p_deep", "p_lobar", "p_subtentorial")
OF_A_FILE = ("study", "series", "path", "sha256")
"""Columns that say whose a row is."""


def assert_same_rows(answer: dict, expected: tuple[dict, list[dict]]) -> None:
    """Every column of both tables, to the last digit."""
    study, slices = expected
    for mine, row in zip((answer["study"], *answer["slices"]), (study, *slices), strict=True):
        wanted = {name: value for name, value in row.items() if name not in OF_A_FILE}
        assert {name: typed(name, mine.get(name, "")) for name in wanted} == wanted


def test_the_two_environments_differ(prepared: Path) -> None:
    python = prepared / "environment" / "bin" / "python"
    code = "import pydicom, numpy, torch; print(pydicom.__version__, numpy.__version__, torch.__version__)"
    theirs = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert theirs[0].startswith("2.")
    assert ours[0].startswith("3.")
    assert theirs[1].startswith("1.")
    assert theirs[2] == ours[2]


def test_what_the_server_offers(server: Client) -> None:
    info = server("GET", "/info/")
    assert {name: model["type"] for name, model in info["models"].items()} == {
        MODEL: "classification",
        OVERLAY: "segmentation",
    }
    assert info["models"][OVERLAY]["labels"] == {"deep": 1, "lobar": 2, "subtentorial": 3}
    assert list(info["strategies"])[:2] == ["most_likely_bleeding", "most_uncertain"]
    assert list(info["trainers"]) == [MODEL]
    assert info["datastore"]["total"] == len(KINDS)
    assert "not for clinical use" in info["description"]


def test_volume_of_the_studies_folder(server: Client, bundle: InferenceBundle, studies: Path) -> None:
    answer = server("POST", f"/infer/{MODEL}", image="P1")
    assert_same_rows(answer, rows_of_predict(bundle, studies / "P1.nii.gz"))
    assert [one["label"] for one in answer["prediction"]] == ["normal", "ich", "deep", "lobar", "subtentorial"]
    assert answer["prediction"][1]["score"] == pytest.approx(answer["study"]["p_ich"], abs=1e-6)
    assert answer["weights"]["sha256"] == bundle.identity["weights_sha256"]
    assert answer["notice"]


def test_dicom_series_folder(server: Client, bundle: InferenceBundle, series: Path, phantoms: list) -> None:
    answer = server("POST", f"/infer/{MODEL}", image=str(series))
    assert_same_rows(answer, rows_of_predict(bundle, series))
    assert len({one["sop_instance_uid"] for one in answer["slices"]}) == phantoms[1].hu.shape[-1]


def test_uploaded_file(server: Client, bundle: InferenceBundle, studies: Path) -> None:
    _, answer = server.upload("POST", f"/infer/{MODEL}", {"file": studies / "P3.nii.gz"})
    assert_same_rows(answer, rows_of_predict(bundle, studies / "P3.nii.gz"))


def test_what_gets_no_answer_is_refused_in_a_sentence(server: Client, tmp_path: Path) -> None:
    junk = tmp_path / "junk.nii.gz"
    junk.write_bytes(b"junk")
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.upload("POST", f"/infer/{MODEL}", {"file": junk})
    assert refused.value.code == 422
    assert "has no readable header" in json.loads(refused.value.read())["detail"]


def test_overlay_of_a_volume(server: Client, bundle: InferenceBundle, studies: Path, tmp_path: Path) -> None:
    path = studies / "P1.nii.gz"
    _, content = server.upload("POST", f"/infer/{OVERLAY}", {"params": "{}"}, image="P1", output="image")
    (tmp_path / "overlay.nii.gz").write_bytes(content)
    image, overlay = nib.load(path), nib.load(tmp_path / "overlay.nii.gz")
    assert overlay.shape == image.shape
    np.testing.assert_allclose(overlay.affine, image.affine, atol=1e-4)
    study, slices = rows_of_predict(bundle, path)
    p_ich = [one["p_ich"] for one in slices if one["p_ich"] is not None]
    threshold = bundle.setting("threshold")
    expected = outline(
        bundle.setting("trained_network").eval(),
        bundle.preprocessing({"image": str(path)})["image"],
        torch.tensor(p_ich),
        threshold,
    )
    marks = np.asarray(overlay.dataobj)
    value = 1 + int(np.argmax([study[name] for name in PROBABILITIES[1:]]))
    assert set(np.unique(marks)) == {0, value}
    assert np.mean((marks > 0) != (expected > 0)) < 1e-4


def test_overlay_and_scores_together(server: Client, series: Path, tmp_path: Path) -> None:
    """As the plugin of 3D Slicer asks for it; a DICOM series in NRRD, with the scores as JSON beside it."""
    params = json.dumps({"result_extension": ".nrrd", "result_dtype": "uint8"})
    kind, content = server.upload("POST", f"/infer/{OVERLAY}", {"params": params}, image=str(series))
    assert kind.startswith("multipart/form-data")
    boundary = kind.split("boundary=")[1].encode()
    parts = [part.split(b"\r\n\r\n", 1) for part in content.split(b"--" + boundary) if b"\r\n\r\n" in part]
    answer = json.loads(next(body for head, body in parts if b'name="params"' in head))
    assert answer["study"]["outcome"]
    assert answer["slices"]
    (tmp_path / "overlay.nrrd").write_bytes(next(body for head, body in parts if b'name="image"' in head)[:-2])
    overlay = itk.imread(str(tmp_path / "overlay.nrrd"))
    marks = itk.array_from_image(overlay).T
    volume = load_head_ct(series)
    original = volume.meta["original_affine"].numpy()
    assert marks.shape == tuple(volume.meta["spatial_shape"])
    assert marks.dtype == np.uint8
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ original
    steps = itk.array_from_matrix(overlay.GetDirection()) * np.asarray(overlay.GetSpacing())
    np.testing.assert_allclose(steps, lps[:3, :3], atol=1e-3)
    np.testing.assert_allclose(overlay.GetOrigin(), lps[:3, 3], atol=1e-3)


def test_stock_app(stock: Client, bundle: InferenceBundle, studies: Path, series: Path) -> None:
    info = stock("GET", "/info/")
    assert {name: model["type"] for name, model in info["models"].items()} == {MODEL: "classification"}
    for path, answer in (
        (studies / "P1.nii.gz", stock("POST", f"/infer/{MODEL}", image="P1")),
        (series, stock("POST", f"/infer/{MODEL}", image=str(series))),
        (studies / "P3.nii.gz", stock.upload("POST", f"/infer/{MODEL}", {"file": studies / "P3.nii.gz"})[1]),
    ):
        study, _ = rows_of_predict(bundle, path)
        p_ich, *locations = (study[name] for name in PROBABILITIES)
        scores = {one["label"]: one["score"] for one in answer["prediction"]}
        expected = dict(
            zip(("normal", "ich", "deep", "lobar", "subtentorial"), (1 - p_ich, p_ich, *locations), strict=True)
        )
        assert scores == pytest.approx(expected, abs=1e-5)  # it has no channels-last memory, and rounds otherwise


def test_worklists_then_training(
    server: Client, prepared: Path, bundle: InferenceBundle, studies: Path, phantoms: list, tmp_path: Path
) -> None:
    """In one test, since labels and training change what the server knows."""
    scored = server.wait(lambda: scores_of(server, bundle.identity["weights_sha256"], len(KINDS)))
    by_probability = sorted(scored, key=lambda name: -scored[name]["p_ich"])
    positives = [name for name in by_probability if scored[name]["outcome"] == "positive"]
    served = [server("POST", "/activelearning/most_likely_bleeding")["id"] for _ in by_probability]
    negatives = sorted(set(by_probability) - set(positives), key=lambda name: -scored[name]["p_ich"])
    assert served == positives + negatives
    assert server("POST", "/activelearning/most_likely_bleeding")["id"] == served[0]
    closest = min(scored, key=lambda name: (abs(scored[name]["p_ich"] - 0.5), name))
    assert server("POST", "/activelearning/most_uncertain")["id"] == closest

    for phantom, kind in zip(phantoms, KINDS, strict=True):
        if kind is None:
            continue
        marks = (phantom.blood == 1 + COMPARTMENTS.index("intraparenchymal")).astype(np.uint8)
        image = nib.load(studies / f"{phantom.patient}.nii.gz")
        label = tmp_path / "label.nii.gz"
        nib.save(nib.Nifti1Image(np.swapaxes(marks, 0, 1), image.affine), label)
        named = {"label_info": [{"name": kind.value, "idx": 1}]}  # as 3D Slicer's plugin does
        server.upload("PUT", "/datastore/label", {"label": label, "params": json.dumps(named)}, image=phantom.patient)
    assert server("GET", "/info/")["datastore"]["completed"] == 8

    model = prepared / "models" / MODEL
    before, scores_before = bundle.identity["weights_sha256"], rows_of_predict(bundle, studies / "P1.nii.gz")
    server("POST", f"/train/{MODEL}", {"max_epochs": 1, "val_split": 0.5})
    task = server.wait(lambda: finished(server("GET", "/train/")))
    assert task["status"] == "DONE", task["details"]
    run = max((model / "runs").iterdir())
    assert (run / "epochs.csv").is_file()
    assert len((run / "data" / "slices.csv").read_text().splitlines()) > 100

    trained = InferenceBundle(BundleSource(model, RUNTIME))
    assert trained.identity["weights_sha256"] != before
    answer = server("POST", f"/infer/{MODEL}", image="P1")
    assert answer["weights"]["sha256"] == trained.identity["weights_sha256"]
    assert_same_rows(answer, rows_of_predict(trained, studies / "P1.nii.gz"))
    kept = sorted((model / "models").glob("until_*/model.pt"))[-1]
    params = json.dumps({"model_filename": f"{kept.parent.name}/model.pt"})
    _, answer = server.upload("POST", f"/infer/{MODEL}", {"params": params}, image="P1")
    assert answer["weights"]["sha256"] == before
    assert_same_rows(answer, scores_before)
    assert server("GET", "/info/")["train_stats"][MODEL]["epoch"] == 1
    server.wait(lambda: scores_of(server, trained.identity["weights_sha256"], 2))  # of those without a label


def finished(task: dict) -> dict | None:
    return None if task["status"] in ("RUNNING", "SUBMITTED") else task


def scores_of(server: Client, weights: str, number: int) -> dict[str, dict] | None:
    """The scores of so many studies, once all are of these weights."""
    objects = server("GET", "/datastore/", output="all")["objects"]
    scores = {name: entry["image"]["info"].get("ich", {}) for name, entry in objects.items()}
    current = {name: score for name, score in scores.items() if score.get("weights") == weights}
    return current if len(current) == number else None
