import contextlib
import re
import runpy
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.monailabel import environment
from ichmonai.monailabel.environment import SHARED, SOURCES, WHEELS, clean_environment, link, make_environment


def test_the_locks_hold_what_is_needed_and_all_of_it_by_hash() -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "lock_label.py"))
    locked: dict[str, set[str]] = {}
    for lock in (WHEELS, SOURCES):
        for block in re.findall(r"^[^\s#].*\n(?:[ \t].*\n)*", lock.read_text(), re.MULTILINE):
            requirement = Requirement(block.split("\\")[0])
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            assert re.search(r"--hash=sha256:[0-9a-f]{64}$", block, re.MULTILINE)
            assert not SHARED.fullmatch(requirement.name)
            locked.setdefault(requirement.name, set()).add(pin.version)
        assert "://" not in lock.read_text()
    needed = [Requirement(one) for one in script["requirements"]()]
    assert "pydicom" in [one.name for one in needed]
    for one in needed:
        if not SHARED.fullmatch(one.name):
            assert locked[one.name], one
            assert all(one.specifier.contains(version) for version in locked[one.name]), one


@pytest.mark.parametrize("changed", [False, True])
def test_a_package_other_than_the_locked_is_not_installed(
    changed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel = tmp_path / "planted-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("planted.py", "")
        file.writestr("planted-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
        file.writestr("planted-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("planted-1.dist-info/RECORD", "")
    wheels, sources = tmp_path / "wheels.txt", tmp_path / "sources.txt"
    digest = "0" * 64 if changed else sha256_of_file(wheel)
    wheels.write_text(f"planted==1 --hash=sha256:{digest}\n")
    sources.write_text("# none\n")
    monkeypatch.setattr(environment, "WHEELS", wheels)
    monkeypatch.setattr(environment, "SOURCES", sources)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError, match="could not install") if changed else contextlib.nullcontext():
        make_environment(tmp_path / "environment")
    assert bool(list((tmp_path / "environment").rglob("planted.py"))) != changed
    assert (tmp_path / "environment" / "ready.json").exists() != changed
    shared = tmp_path / "environment" / "shared"
    assert {"ichmonai", "monai", "timm", "torch"} <= {one.name for one in shared.iterdir()}


def test_a_python_without_numpy_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    with pytest.raises(InputError, match=r"needs Python 3\.11 or 3\.12 and this is 3\.14"):
        make_environment(tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_other_environments_packages_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert "PYTHONPATH" not in clean_environment()
    assert clean_environment()["PIP_NO_INDEX"] == "1"


@pytest.mark.parametrize("allowed", [True, False])
def test_links_or_copies(allowed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("1")
    if not allowed:

        def refuse(*args: object, **kwargs: object) -> None:
            raise OSError("A required privilege is not held by the client")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    link(tmp_path / "source", tmp_path / "folder")
    link(tmp_path / "source" / "file", tmp_path / "one")
    assert (tmp_path / "folder" / "file").read_text() == (tmp_path / "one").read_text() == "1"
    assert (tmp_path / "folder").is_symlink() == allowed
