import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ichmonai.commands.evaluate import evaluate

app = typer.Typer()
app.command()(evaluate)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--resamples", "20"])
    return result.exit_code, " ".join(result.stdout.split()), " ".join(result.stderr.split())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Predictions, truth and validation of patients whose odd ones bleed."""
    found = {}
    for name, prefix in (("p", "a"), ("v", "v")):
        rows = []
        for i in range(60):
            ich = i // 3 % 2
            score = (0.3 + 0.4 * ich + 0.025 * (i * 7 % 13)) % 1
            rows.append((f"{prefix}{i}.png", f"{prefix}{i // 3}", ich, "deep" if ich else "", score, 0.6, 0.3, 0.1))
        header = ("image", "patient", "ich", "location", "p_ich", "p_deep", "p_lobar", "p_subtentorial")
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        with (tmp_path / f"{name}_truth.csv").open("w", newline="") as file:
            csv.writer(file).writerows([row[:4] for row in [header, *rows]])
        found |= {name: tmp_path / f"{name}.csv", f"{name}_truth": tmp_path / f"{name}_truth.csv"}
    return found


def test_writes_its_files_and_shows_a_table(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    code, shown, _ = run(files["p"], "--truth", files["p_truth"], "--validation", files["v"], "--out", out)
    assert code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"metrics.json", "metrics.csv", "report.html", "calibration.json"}
    record = json.loads((out / "metrics.json").read_text())
    assert f"{record['metrics']['ich_auc']['value']:.3f}" in shown
    for words in ("slice", "patient", "not for clinical use", "fitted on validation", "the highest of its slices"):
        assert words in shown


def test_json_is_all_of_the_output(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [str(files["p"]), "--out", str(out), "--json", "--resamples", "20"])
    assert result.exit_code == 0
    assert result.stdout == (out / "metrics.json").read_text()
    assert json.loads(result.stdout)["metrics"]["ich_auc"]["value"] > 0.5


def test_says_that_nothing_was_fitted(files: dict[str, Path], tmp_path: Path) -> None:
    code, shown, _ = run(files["p"], "--out", tmp_path / "out")
    assert code == 0
    assert "not fitted (give --validation or --calibration)" in shown
    assert not (tmp_path / "out" / "calibration.json").exists()


def test_what_cannot_be_evaluated_is_one_sentence_and_exit_code_1(files: dict[str, Path], tmp_path: Path) -> None:
    files["p"].write_text(files["p"].read_text().replace("0.6,0.3,0.1", "nan,0.3,0.1", 1))
    code, shown, error = run(files["p"], "--out", tmp_path / "out")
    assert code == 1
    assert shown == ""
    assert error.startswith("ichmonai: p.csv, line 2: p_deep is nan")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, error = run(files["p"], "--out", tmp_path / "file" / "out")
    assert code == 1
    assert "choose another folder" in error


def test_usage_errors_have_exit_code_2(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(tmp_path / "absent.csv", "--out", out)[0] == 2
    assert run(files["p"])[0] == 2
    code, _, error = run(files["p"], "--out", out, "--validation", files["v"], "--calibration", files["v"])
    assert code == 2
    assert "either --validation or --calibration" in error


def test_subgroup_of_an_unknown_column(files: dict[str, Path], tmp_path: Path) -> None:
    code, _, error = run(files["p"], "--out", tmp_path / "out", "--subgroup", "scanner")
    assert code == 1
    assert "no column 'scanner'" in error
