"""Build the documentation as a site, of the same pages that are in the repository, and of the docstrings.

python -m scripts.site OUT            (needs pip install -e ".[docs]")
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "bundle" / "docs"

TITLES = {
    "index.md": "Start here",
    "model_card.md": "Model card",
    "serve.md": "Page",
    "pacs.md": "PACS",
    "monitoring.md": "Watching it",
    "label.md": "3D Slicer and OHIF",
    "words.md": "The report in words",
    "training.md": "Train",
    "evaluating.md": "Evaluate",
    "benchmarks.md": "Public benchmarks",
    "light.md": "The light network",
    "dtvit.md": "DTViT",
    "runtimes.md": "Runtimes",
    "audit.md": "Audit of the data",
    "papers.md": "What the papers say",
    "reproduction.md": "The papers' tables",
    "pretraining.md": "Pretraining",
    "claim.md": "CLAIM checklist",
    "api.md": "Python",
}
"""Pages in the order of the menu; others follow by their names."""

API = ("ichmonai.prediction.predictor", "ichmonai.prediction.study_answer", "ichmonai.io", "ichmonai.transforms")


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages = write_pages(folder / "docs")
        config = {
            "site_name": "ichmonai",
            "docs_dir": str(folder / "docs"),
            "site_dir": str(out.resolve()),
            "use_directory_urls": False,
            "theme": {"name": "material", "font": False},
            "markdown_extensions": ["tables", "fenced_code", "toc"],
            "plugins": [
                "search",
                {"mkdocstrings": {"handlers": {"python": {"paths": [str(ROOT)], "options": {"show_source": False}}}}},
            ],
            "nav": [{TITLES.get(page, page.removesuffix(".md")): page} for page in pages],
        }
        (folder / "mkdocs.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
        command = [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--config-file",
            folder / "mkdocs.yml",
        ]
        sys.exit(subprocess.run(command, check=False).returncode)


def write_pages(docs: Path) -> list[str]:
    """Write all pages into a folder, with links among them; names in the order of the menu."""
    shutil.copytree(DOCS, docs)
    (docs / "README.md").rename(docs / "model_card.md")
    (docs / "index.md").write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    (docs / "api.md").write_text("# Python\n\n" + "\n".join(f"::: {module}\n" for module in API), encoding="utf-8")
    for page in docs.glob("*.md"):
        page.write_text(_linked(page.read_text(encoding="utf-8"), docs), encoding="utf-8")
    order = list(TITLES)
    names = sorted(
        (page.name for page in docs.glob("*.md")),
        key=lambda name: (name not in order, order.index(name) if name in order else 0, name),
    )
    return names


def _linked(text: str, docs: Path) -> str:
    """Links to the repository's other files become their names: a site does not have them."""

    def link(match: re.Match) -> str:
        words, target = match[1], match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        path, _, place = target.partition("#")
        name = Path(path).name if path.startswith("bundle/docs/") or "/" not in path else path
        name = "model_card.md" if name == "README.md" else name
        if not (docs / name).is_file():
            return words
        return f"[{words}]({name}{'#' + place if place else ''})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the site")
    main(parser.parse_args().out)
