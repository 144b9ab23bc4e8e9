"""The documentation as a site: built strictly, so that no link or docstring of it leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.site import TITLES

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parents[2]


def test_the_site_has_every_document_the_docstrings_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.site", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {page.stem for page in (tmp_path / "site").glob("*.html")}
    documents = {page.stem for page in (ROOT / "bundle" / "docs").glob("*.md")} - {"README"}
    assert pages == documents | {"index", "model_card", "api", "404"}
    assert {f"{page}.md" for page in pages - {"404"}} == set(TITLES), "each page has a title in the menu"
    start = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'src="report.png"' in start
    assert 'href="training.html"' in start
    api = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    for name in ("Predictor", "StudyAnswer", "load_head_ct", "WindowHU"):
        assert re.search(rf'id="ichmonai\.[\w.]*{name}"', api), name
    for page in (tmp_path / "site").glob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text(encoding="utf-8"))
        assert not loaded, f"{page.name} loads {loaded} from elsewhere"
