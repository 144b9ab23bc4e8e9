"""What documents tell a reader to type or to open is there."""

import re
import shlex
import tarfile
from email import message_from_bytes
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ichmonai.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted((ROOT / "bundle" / "docs").glob("*.md"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str) -> list[list[str]]:
    """The `ichmonai ...` lines of the code blocks and of code in sentences."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    lines = re.findall(r"^\s*(?:pip install \S+ && )?(ichmonai [^\n;]*)", blocks, re.MULTILINE)
    inline = re.findall(r"`(ichmonai [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [shlex.split(line, comments=True)[1:] for line in (*lines, *inline) if "..." not in line]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_and_options_exist(document: Path) -> None:
    group = typer.main.get_command(app)
    for words in commands(document.read_text(encoding="utf-8")):
        command = group
        for word in list(words):
            if not hasattr(command, "commands") or word not in command.commands:
                break
            command = command.commands[word]
            words.pop(0)
        assert command is not group, f"there is no command ichmonai {' '.join(words)}"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known - {"--help"}
        assert not unknown, f"{command.name} has no {unknown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, place = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        if document.is_relative_to(ROOT / "bundle"):
            assert target.resolve().is_relative_to(ROOT / "bundle"), f"{link} is in no wheel and no zip"
        if place:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_scripts_configs_and_modules_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    paths = re.findall(r"\b((?:scripts|tests|ichmonai)/[\w./]*\w)", text)
    paths += [module.replace(".", "/") + ".py" for module in re.findall(r"python -m (scripts[.\w]+)", text)]
    paths += [f"bundle/{config}" for config in re.findall(r"\b(configs/\w+\.json)", text)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_is_in_a_document() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    missing = {one for one in typer.main.get_command(app).commands if f"ichmonai {one}" not in text} - {"version"}
    assert not missing


def test_the_citation_is_of_this_version() -> None:
    from ichmonai import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_description_of_the_package_leads_nowhere_that_an_index_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, markdown = pytest.importorskip("hatchling.build"), pytest.importorskip("readme_renderer.markdown")
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as archive:
        top = archive.getnames()[0].split("/")[0]
        described = message_from_bytes(archive.extractfile(f"{top}/PKG-INFO").read())
        assert archive.extractfile(f"{top}/README.md").read() == (ROOT / "README.md").read_bytes()
    assert described["Description-Content-Type"] == "text/markdown"
    text = described.get_payload(decode=True).decode()
    shown = markdown.render(text)  # as PyPI does
    leads = re.findall(r'(?:href|src)="([^"]*)"', shown)
    assert sum(one.startswith("https://") for one in leads) >= 4
    assert [one for one in leads if not one.startswith(("https://", "#"))] == []
    for heading in re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(f"<h2[^>]*>{heading}<", shown), heading
    assert "pip install . &amp;&amp; ichmonai demo demo" in re.sub("<[^>]*>", "", shown)
    assert "](" not in shown
