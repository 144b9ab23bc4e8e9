import importlib.metadata
import json
import os
import sys
import venv
from pathlib import Path

import pytest

from ichmonai.monailabel.environment import make_environment
from ichmonai.monailabel.folder import write_apps
from ichmonai.processes.safe_path import safe_environment, without_current_folder
from tests.prediction.conftest import small_bundle, volume  # noqa: F401  fixtures

ROOT = str(Path(__file__).parents[2])
COMMAND = "import sys\nfrom ichmonai.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
"""What pip installs as `ichmonai`."""

SETTINGS = (
    "--trust",
    "--workers",
    "2",
    "--quiet",
    "--device",
    "cpu",
)


@pytest.fixture
def prediction(small_bundle, volume, tmp_path, trap):  # noqa: F811
    """Arguments of a prediction, and what tells whether it came out right."""
    scans = volume("one").parent
    options = ["predict", scans, "--bundle", small_bundle.root, "--out", tmp_path / "out", *SETTINGS]
    return options, lambda: "one.nii.gz" in (tmp_path / "out" / "studies.csv").read_text()


def test_the_command_starts_nothing_in_the_current_folder(prediction, script, trap):
    options, is_right = prediction
    trap.run(sys.executable, script(COMMAND), *options, PYTHONPATH=ROOT)
    assert is_right()
    assert trap.ran == ""


def test_an_empty_entry_of_pythonpath_is_not_followed(prediction, script, trap):
    options, is_right = prediction
    for name in ("sitecustomize", "usercustomize"):  # run by Python before anything of ours
        (trap.folder / f"{name}.py").unlink()
    for name in ("subprocess", "tempfile"):  # imported by the venv's own start
        assert (trap.folder / f"{name}.py").exists()
    trap.run(sys.executable, script(COMMAND), *options, PYTHONPATH=f"{ROOT}:")
    assert is_right()
    assert trap.ran == ""


def test_started_by_its_name_it_leaves_the_current_folder(prediction, trap):
    options, is_right = prediction
    trap.run(sys.executable, "-m", "ichmonai", *options, PYTHONPATH=ROOT)
    assert is_right()
    assert trap.ran == ""


def test_a_library_user_s_workers_are_safe_and_the_user_s_process_is_as_before(script, trap):
    program = """
import json, os, sys
from concurrent.futures import ProcessPoolExecutor
from ichmonai.processes.contexts import spawn_context, worker_context
import numpy
def seen(_):
    import matplotlib, random, multiprocessing, socket, dl_is_absent
    return None
if __name__ == "__main__":
    sys.path.insert(0, "")  # as in a notebook
    before = sys.path[:], dict(os.environ)
    for context in (spawn_context(), worker_context()):
        with ProcessPoolExecutor(1, context) as pool:
            print(type(pool.submit(seen, 0).exception()).__name__, pool.submit(os.getenv, "PYTHONSAFEPATH").result())
    assert (sys.path, dict(os.environ)) == before
"""
    trap.plant("dl_is_absent")
    assert trap.run(sys.executable, script(program), PYTHONPATH=ROOT).split() == ["ModuleNotFoundError", "1"] * 2
    assert trap.ran == ""


def test_e_does_not_open_the_current_folder_again(script, trap):
    program = """
from concurrent.futures import ProcessPoolExecutor
import sys
sys.path.append(ROOT)
from ichmonai.processes.contexts import spawn_context, worker_context
if __name__ == "__main__":
    for context in (spawn_context(), worker_context()):
        with ProcessPoolExecutor(1, context) as pool:
            pool.submit(abs, 1).result()
""".replace("ROOT", repr(ROOT))
    trap.run(sys.executable, "-E", script(program))
    assert trap.ran == ""


def test_headers_are_read_by_safe_processes(volume, script, trap):  # noqa: F811
    for name in ("one", "two", "three"):
        folder = volume(name).parent
    program = """
import importlib, sys
module = importlib.import_module('ichmonai.io.discovery.scan')
module.INLINE, module.CHUNK = 1, 1
if __name__ == "__main__":
    print(len(list(module.scan([sys.argv[1]], workers=2))))
"""
    assert trap.run(sys.executable, script(program), folder, PYTHONPATH=ROOT).split() == ["3"]
    assert trap.ran == ""


def test_the_bundle_s_workflows_start_nothing_in_the_current_folder(script, trap, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"run": [f"$open({str(tmp_path / 'answer')!r}, 'w').close()"]}))
    program = """
import sys
from ichmonai.training.workflows import config_files, run_workflow
run_workflow("run", config_files(sys.argv[1:]), {})
"""
    trap.run(sys.executable, script(program), str(tmp_path / "config.json"), PYTHONPATH=ROOT)
    assert (tmp_path / "answer").exists()
    assert trap.ran == ""


@pytest.fixture
def label(tmp_path):
    """A prepared folder whose MONAI Label says how it was started."""
    folder = tmp_path / "label"
    venv.create(folder / "environment", with_pip=False)
    (package,) = (folder / "environment").glob("lib/python*/site-packages")
    (package / "monailabel").mkdir()
    (package / "monailabel" / "__init__.py").touch()
    (package / "monailabel" / "main.py").write_text(
        "import json, os, random, socket, sys\nfrom pathlib import Path\n"
        "if '--output' in sys.argv: Path(sys.argv[-1], 'monaibundle').mkdir()\n"
        "print(json.dumps([sys.argv[1:], os.getcwd()]))\n"
    )
    (folder / "apps" / "ichmonai").mkdir(parents=True)
    return folder


def test_the_label_server_starts_elsewhere_with_the_studies_that_were_meant(label, script, trap):
    (trap.folder / "studies").mkdir()
    (trap.folder / ".env").write_text("MONAI_LABEL_AUTH_ENABLE=true\n")
    command = ("label", "start", label, "--studies", "studies")
    arguments, folder = json.loads(trap.run(sys.executable, script(COMMAND), *command, PYTHONPATH=ROOT))
    assert arguments[arguments.index("--studies") + 1] == str(trap.folder / "studies")
    assert Path(folder) == label  # where no .env lies
    assert trap.ran == ""


def test_making_the_label_environment_and_apps_runs_nothing_of_the_current_folder(label, trap, monkeypatch, tmp_path):
    monkeypatch.chdir(trap.folder)
    (tmp_path / "none.txt").write_text("# nothing\n")
    for lock in ("WHEELS", "SOURCES"):
        monkeypatch.setattr(f"ichmonai.monailabel.environment.{lock}", tmp_path / "none.txt")
    make_environment(tmp_path / "environment")
    (tmp_path / "model").mkdir()
    write_apps(label / "apps", label / "environment", tmp_path / "model")
    assert (label / "apps" / "monaibundle").is_dir()
    assert trap.ran == ""


def test_settings_of_matplotlib_in_the_current_folder_are_not_taken(script, trap):
    (trap.folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://dl\n")
    program = """
from ichmonai.processes.safe_path import leave_current_folder
leave_current_folder()
import matplotlib
print(matplotlib.rcParams["text.usetex"])
"""
    assert trap.run(sys.executable, script(program), PYTHONPATH=ROOT).split() == ["False"]
    assert trap.ran == ""


def test_the_installed_command_is_the_one_that_leaves_the_current_folder():
    project = (Path(ROOT) / "pyproject.toml").read_text()
    assert 'ichmonai = "ichmonai.__main__:main"' in project
    assert importlib.metadata.version("ichmonai")


def test_what_somebody_named_in_full_stays_on_the_path(monkeypatch, tmp_path):
    here, other = str(tmp_path), str(tmp_path / "other")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, other]))
    assert without_current_folder(["", here, other], here)[:2] == [here, other]
    assert safe_environment()["PYTHONPATH"] == os.pathsep.join([here, other])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", other]))
    assert without_current_folder(["", here, str(tmp_path / "lib"), other], here) == [other]
    assert safe_environment()["PYTHONPATH"] == other
