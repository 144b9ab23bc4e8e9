"""The bundle's zip: what is in it, and what it says where something is missing."""

import ast
import importlib.metadata
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ichmonai
from ichmonai.cli import app
from ichmonai.errors import InputError
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.release import bundle, zoo
from tests.release.bare import bare_python, start

PACKAGE = Path(ichmonai.__file__).parent


def test_the_same_bundle_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    bundle.write_zip(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    assert {name.split("/")[0] for name in names} == {"ich_classification"}
    assert not [name for name in names if "pycache" in name or name.endswith((".pyc", ".partial"))]


def test_what_lies_beside_the_weights_stays_there(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle_root(), tmp_path / "bundle")
    (tmp_path / "bundle" / "models" / "model.onnx").write_bytes(b"exported")
    bundle.write_zip(tmp_path / "again.zip", tmp_path / "bundle")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_check_bundle_knows_all_of_it(archive: Path, built: Path) -> None:
    assert CliRunner().invoke(app, ["check-bundle", str(archive)]).exit_code == 0
    assert InferenceBundle(BundleSource(built)).setting("description").labels  # it needs no --trust
    code = built / "ichmonai_code" / "ichmonai" / "errors.py"
    code.write_text(code.read_text() + "\nprint()\n")
    result = CliRunner().invoke(app, ["check-bundle", str(built), "--json"])
    refused = [one["file"] for one in json.loads(result.stdout)["contents"] if one["refusal"]]
    assert (result.exit_code, refused) == (1, ["ichmonai_code/ichmonai/errors.py"])


def imported(path: Path) -> set[str]:
    """Modules that a file names in its imports, wherever they stand."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_all_that_configs_name_is_carried_with_what_it_imports(built: Path) -> None:
    files = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")}
    modules = {f"ichmonai.{name.removesuffix('/__init__').replace('/', '.')}": path for name, path in files.items()}
    named = {
        name for path in (built / "configs").glob("*.json") for name in re.findall(r"ichmonai[.\w]+", path.read_text())
    }
    waiting, needed = list(named), set()
    while waiting:
        name = waiting.pop()
        parents = {name[: dot.start()] for dot in re.finditer(r"\.", name)}
        for module in ({name} | parents) & set(modules) - needed:
            needed.add(module)
            waiting += imported(modules[module])
    assert len(needed) > 100
    carried = built / "ichmonai_code"
    missing = [name for name in needed if not (carried / modules[name].relative_to(PACKAGE.parent)).is_file()]
    assert missing == []


def test_metadata_lists_what_the_code_needs_of_others(built: Path) -> None:
    """What is imported at a module's beginning; extras are imported where they are used, and say so themselves."""
    listed = json.loads((built / "configs" / "metadata.json").read_text())["required_packages_version"]
    assert "ichmonai" not in listed
    assert all(importlib.metadata.version(name) for name in listed)
    provided = importlib.metadata.packages_distributions()
    own = {"ichmonai", *sys.stdlib_module_names}
    for path in (built / "ichmonai_code").rglob("*.py"):
        for top in {name.split(".")[0] for name in imported_at_once(path)} - own:
            distributions = {one.lower().replace("_", "-") for one in provided[top]}
            assert distributions & {*listed, "monai", "torch", "numpy"}, f"{path} imports {top}"


def imported_at_once(path: Path) -> set[str]:
    """Modules that a file imports when it is imported itself."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in body if isinstance(node, ast.ImportFrom) and node.module}


def test_the_installed_package_wins_and_says_where_it_differs(built: Path, tmp_path: Path) -> None:
    code = built / "ichmonai_code" / "ichmonai" / "__init__.py"
    ask = "import ichmonai_code, sys; sys.path.insert(0, '.'); import ichmonai.errors; print(ichmonai.errors.__file__)"
    here = {"PYTHONPATH": f"{PACKAGE.parent}:{built}"}
    same = start(Path(sys.executable), "-c", ask, cwd=tmp_path, **here)
    assert (same.stdout.strip(), same.stderr) == (str(PACKAGE / "errors.py"), "")
    code.write_text('__version__ = "0.0.1"\n')
    other = start(Path(sys.executable), "-c", ask, cwd=tmp_path, **here)
    assert other.stdout.strip() == str(PACKAGE / "errors.py")
    (sentence,) = other.stderr.splitlines()
    assert "made with ichmonai 0.0.1" in sentence
    assert f"installed {ichmonai.__version__}" in sentence


def test_the_current_folder_has_no_say(python: Path, built: Path) -> None:
    (built / "ichmonai").mkdir()
    (built / "ichmonai" / "__init__.py").write_text("open('mark', 'w')\n")
    ask = ["-c", "import ichmonai_code, ichmonai; print(ichmonai.__file__)"]
    done = start(python, *ask, cwd=built)
    assert done.stdout.strip() == str(built.resolve() / "ichmonai_code" / "ichmonai" / "__init__.py"), done.stderr
    assert not (built / "mark").exists()


def test_the_zoo_gets_what_its_guide_asks_for(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["bundle", "--zoo", str(tmp_path / "zoo")]).exit_code == 0
    model = tmp_path / "zoo" / "models" / "ich_classification"
    for name in (
        "LICENSE",
        "configs/metadata.json",
        "configs/inference.json",
        "models/model.pt",
        "docs/data_license.txt",
    ):
        assert (model / name).is_file(), name
    assert (tmp_path / "zoo" / "ci" / "unit_tests" / "test_ich_classification.py").is_file()
    assert not (model / "large_files.yml").exists()
    again = CliRunner().invoke(app, ["bundle", "--zoo", str(tmp_path / "zoo")])
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_the_card_has_the_zoos_headings_and_says_what_to_install() -> None:
    card = (bundle_root() / "docs" / "README.md").read_text()
    titles = re.findall(r"^#+ (.*)$", card, re.MULTILINE)
    asked = ["Model Overview", "Data", "Training configuration", "Performance", "MONAI Bundle Commands", "References"]
    assert [title for title in titles if title in (*asked, "License")] == [*asked, "License"]
    metadata = json.loads((bundle_root() / "configs" / "metadata.json").read_text())
    ours = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
    pins = {name: metadata[key] for name, key in ours.items()} | metadata["required_packages_version"]
    (line,) = re.findall(r"^pip install (.*?)\n```", card, re.MULTILINE | re.DOTALL)
    assert line.replace("\\", " ").split() == [f"{name}=={version}" for name, version in pins.items()]


def test_large_files_are_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai.bundle import ConfigParser

    monkeypatch.setattr(zoo, "_LARGEST", 10 * 2**20)
    with pytest.raises(InputError, match="--large-files-url"):
        zoo.write_zoo(tmp_path / "none")
    zoo.write_zoo(tmp_path / "zoo", "https://example.org/weights/")
    model = tmp_path / "zoo" / "models" / "ich_classification"
    assert not (model / "models" / "model.pt").exists()
    named = ConfigParser.load_config_file(model / "large_files.yml")["large_files"]
    assert [one["path"] for one in named] == ["models/model.pt", "models/model.safetensors"]
    assert named[0]["url"] == "https://example.org/weights/models/model.pt"
    sha256 = re.search(r"model\.pt `(\w{64})`", (bundle_root() / "docs" / "README.md").read_text())
    assert sha256
    assert (named[0]["hash_type"], named[0]["hash_val"]) == ("sha256", sha256[1])


def test_a_bundle_without_weights_is_refused(tmp_path: Path) -> None:
    shutil.copytree(bundle_root() / "configs", tmp_path / "configs")
    with pytest.raises(InputError, match=r"no models/model\.pt"):
        bundle.bundle_files(tmp_path)


@pytest.mark.parametrize("command", [("run", "inference"), ("verify_net_in_out", "network_def")])
def test_what_is_not_installed_is_one_sentence(command: tuple[str, str], built: Path, tmp_path: Path) -> None:
    without = bare_python(tmp_path / "bare", without="timm")
    options = ["--config_file", "configs/inference.json", "--meta_file", "configs/metadata.json"]
    done = start(without, "-W", "ignore", "-m", "monai.bundle", *command, *options, cwd=built)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    version = json.loads((built / "configs" / "metadata.json").read_text())["required_packages_version"]["timm"]
    last = "This bundle needs packages that are not installed; run: pip install"
    assert done.stderr.splitlines()[-1] == f"ichmonai: {last} timm=={version}"
