import re
import sys
from pathlib import Path

import pytest
import torch

from ichmonai.errors import InputError
from ichmonai.label import environment
from ichmonai.label.environment import clean_environment, link, make_environment


def test_requirements_are_the_packages_own_but_for_pydicom() -> None:
    requirements = environment._requirements()
    names = [re.split(r"[<>=\[]", one)[0] for one in requirements]
    assert len(names) == len(set(names))
    assert "pydicom>=2.4.5,<3" in requirements
    assert {"monailabel", "python-gdcm", "timm", "scikit-image", "typer"} <= set(names)
    assert f"torch=={torch.__version__.split('+')[0]}" in [one.split("+")[0] for one in requirements]
    assert "pytest" not in names


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
