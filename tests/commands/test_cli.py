"""The command line as a new user meets it; `ichmonai demo` as a whole is the README's first command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ichmonai
from ichmonai.cli import app

ROOT = Path(__file__).parents[2]


def test_help_names_every_command_and_the_notice() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert CliRunner().invoke(app, ["-h"]).output == result.output
    assert "-h" in CliRunner().invoke(app, ["predict", "-h"]).output
    for word in ("demo", "phantom", "--version", "--install-completion", "not for clinical use"):
        assert word in " ".join(result.output.split())


def test_version_is_the_package_s_and_the_bundle_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.strip() == ichmonai.__version__
    metadata = (ROOT / "bundle" / "configs" / "metadata.json").read_text()
    assert f'"version": "{ichmonai.__version__}"' in metadata


def test_the_command_line_does_not_wait_for_monai() -> None:
    code = "import sys, ichmonai.cli; sys.exit('monai' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_demo_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert result.exit_code == 2
    assert "is not empty" in result.output


@pytest.mark.slow
def test_the_shipped_weights_find_the_demo_s_haemorrhages(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--only-predict"])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "with a haemorrhage, 3 of 3 were found; of the normal ones, 0 of 3 were called positive" in said
    assert (tmp_path / "demo" / "answers" / "report.html").is_file()
    assert not (tmp_path / "demo" / "training").exists()


def test_phantom_is_a_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), "--patients", "1", "--size", "64"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "truth.csv").is_file()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the standard library reads TOML from Python 3.11 on")
def test_the_wheel_carries_the_bundle() -> None:
    import tomllib

    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"bundle": "ichmonai/bundle"}


def test_readme_has_the_two_commands() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Two commands", 1)[1].split("\n## ", 1)[0]
    commands = re.findall(r"```bash\n(.*?)\n```", section, re.DOTALL)
    assert len(commands) == 2
    assert all(command.startswith("pip install") and "\n" not in command for command in commands)


@pytest.mark.parametrize("name", ["bundle/LICENSE", "LICENSE"])
def test_licence_is_apache(name: str) -> None:
    assert "Apache License" in (ROOT / name).read_text()
