"""MONAI Label's own app with the bundle's zip, in an environment that has not this package."""

import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ichmonai.monailabel.environment import clean_environment
from ichmonai.monailabel.folder import MODEL, STOCK_APP
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.release.bundle import write_zip
from tests.monailabel.test_server import PROBABILITIES, RUNTIME, Client, rows_of_predict
from tests.monailabel.test_server import phantoms as phantoms
from tests.monailabel.test_server import series as series
from tests.monailabel.test_server import studies as studies
from tests.release.bare import bare_python, start

pytestmark = [pytest.mark.monailabel, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def python(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MONAI Label's interpreter, without ichmonai."""
    places = (*(prepared / "environment" / "lib").glob("python*/site-packages"), prepared / "environment" / "shared")
    return bare_python(tmp_path_factory.mktemp("bare"), places)


@pytest.fixture(scope="module")
def server(python: Path, prepared: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("zip")
    app = folder / STOCK_APP
    shutil.copytree(prepared / "apps" / STOCK_APP, app, ignore=shutil.ignore_patterns("model"))
    write_zip(folder / "bundle.zip")
    with zipfile.ZipFile(folder / "bundle.zip") as opened:
        opened.extractall(app / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-P", "-m", "monailabel.main", "start_server", "--app", app, "--studies", studies]
    command += ["--host", "127.0.0.1", "--port", port]
    for name, value in (("models", MODEL), ("zoo_source", "local"), ("sam2", "false"), ("skip_trainers", "true")):
        command += ["--conf", name, value]
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, cwd=folder, env=clean_environment()
        )
        client = Client(process, port, log)
        try:
            client.wait(lambda: client("GET", "/info/"))
            yield client
        finally:
            process.terminate()
            process.wait()


def test_the_package_is_not_there(python: Path, tmp_path: Path) -> None:
    assert "No module named 'ichmonai'" in start(python, "-c", "import ichmonai", cwd=tmp_path).stderr
    assert start(python, "-c", "import monailabel", cwd=tmp_path).returncode == 0


def test_the_stock_app_answers_from_the_zip(server: Client, studies: Path, series: Path) -> None:
    info = server("GET", "/info/")
    assert {name: model["type"] for name, model in info["models"].items()} == {MODEL: "classification"}
    bundle = InferenceBundle(BundleSource(bundle_root(), RUNTIME))
    for path, image in ((studies / "P1.nii.gz", "P1"), (series, str(series))):
        study, _ = rows_of_predict(bundle, path)
        answer = server("POST", f"/infer/{MODEL}", image=image)
        scores = {one["label"]: one["score"] for one in answer["prediction"]}
        p_ich, *locations = (float(study[name]) for name in PROBABILITIES)
        names = ("normal", "ich", "deep", "lobar", "subtentorial")
        expected = dict(zip(names, (1 - p_ich, p_ich, *locations), strict=True))
        assert scores == pytest.approx(expected, abs=1e-5)  # it has no channels-last memory, and rounds otherwise
