"""`ichmonai train` is the bundle's training and evaluation, and says what it left."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.training import workflows
from tests.commands.test_crossval import SETTINGS, cohort, in_this_process

__all__ = ["cohort"]


def train(cohort: Path, out: Path, *options: str, **settings: str) -> Result:
    given = [f"--set={key}={value}" for key, value in {**SETTINGS, **settings}.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflows.subprocess, "run", in_this_process)
        return CliRunner().invoke(app, ["train", str(cohort), "--out", str(out), "--config", "dtvit", *given, *options])


def said(result: Result) -> str:
    return "".join(result.output.split())


def test_it_trains_evaluates_resumes_and_says_where_everything_is(cohort: Path, tmp_path: Path) -> None:
    fractions = {"split_fractions": "[0.5,0.25,0.25]"}
    out = tmp_path / "my run"
    first = train(cohort, out, "--no-evaluate", max_epochs="1", **fractions)
    assert first.exit_code == 0, first.output
    assert not (out / "evaluation").exists()
    again = train(cohort, out, **fractions)
    assert again.exit_code != 0, "it must not overwrite an earlier training"
    resumed = train(cohort, out, "--resume", **fractions)
    assert resumed.exit_code == 0, resumed.output
    with (out / "epochs.csv").open(newline="", encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (out / "calibration.json").is_file()
    for name in ("model.pt", "epochs.csv", "curves.png", "confusion_ich.png", "evaluation/report.html"):
        assert (out / name).is_file()
        assert "".join(str(out / name).split()) in said(resumed)
    assert f"--setckpt_path='{''.join(str(out / 'model.pt').split())}'" in said(resumed)
    assert "notforclinicaluse" in said(resumed)


def test_what_the_command_decides_and_what_does_not_exist_is_refused(cohort: Path, tmp_path: Path) -> None:
    for options, sentence in (
        (["--set", "output_dir=x"], "--set output_dir cannot be given"),
        (["--set", "resume=True"], "--set resume cannot be given"),
        (["--set", "balance=$print(1)"], "--set balance is given an expression"),
        (["--config", "light"], "--config light"),
    ):
        result = train(cohort, tmp_path / "out", *options)
        assert result.exit_code == 1
        assert sentence in result.stderr
    assert CliRunner().invoke(app, ["train", str(tmp_path / "absent"), "--out", str(tmp_path / "o")]).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_without_patients_to_judge_by_it_is_not_evaluated(cohort: Path, tmp_path: Path) -> None:
    result = train(cohort, tmp_path, split_fractions="[0.6,0.4,0]", max_epochs="1")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "split.json").read_text())["splits"]["test"]["patients"] == []
    assert "unseen" not in result.output
    assert not (tmp_path / "evaluation").exists()
