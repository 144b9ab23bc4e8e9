"""Cross-validation through the bundle's own training, on phantom patients."""

import csv
import json
import logging
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from ichmonai.classes import LOCATIONS
from ichmonai.cli import app
from ichmonai.datasets import load_datalist
from ichmonai.datasets.phantom import PhantomKind, make_study, write_dtvit
from ichmonai.datasets.phantom.cohort import ICH_KINDS
from ichmonai.training import workflows

SETTINGS = {
    "backbone": "test_vit",
    "pretrained": "False",
    "image_size": "32",
    "num_workers": "0",
    "max_epochs": "2",
    "balance": "none",
    "learning_rate": "0.001",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    kinds = [PhantomKind.NORMAL, *ICH_KINDS] * 4  # each class is in training, validation and both test splits
    write_dtvit(folder, [make_study(number, kind, 64, f"1p{number:04d}") for number, kind in enumerate(kinds)])
    taken: Counter[str] = Counter()
    rows = ["image,patient,ich,location"]
    for item in load_datalist(folder):
        taken[item["patient"]] += 1
        if taken[item["patient"]] <= 4:  # enough of each patient
            ich, location = item["label"].tolist()
            rows.append(f"{item['image']},{item['patient']},{ich},{LOCATIONS[location] if ich else ''}")
    (folder / "slices.csv").write_text("\n".join(rows) + "\n")
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def in_this_process(command: list[str], check: bool, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    """What `python -m monai.bundle` does, without the seconds that a new process takes to import it."""
    assert command[:4] == [sys.executable, "-P", "-W", "ignore:parsing config_file"]
    assert command[4:7] == ["-m", "monai.bundle", "run"]
    assert not check
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["monai.bundle", *command[6:]])
        runpy.run_module("monai.bundle", run_name="__main__", alter_sys=False)
    return subprocess.CompletedProcess(command, 0)


def cross_validate(cohort: Path, out: Path, **more: str) -> Result:
    options = ["--config", "dtvit", "--folds", "2", "--validation", "0.4", "--resamples", "50"]
    for key, value in {**SETTINGS, **more}.items():
        options += ["--set", f"{key}={value}"]
    return CliRunner().invoke(app, ["crossval", str(cohort), "--out", str(out), *options])


@pytest.fixture(scope="module")
def result(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation whose second training was interrupted after its first epoch, and that was run again."""
    out = tmp_path_factory.mktemp("crossval")
    calls: list[tuple[str, str]] = []

    def until_killed(command: list[str], check: bool, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
        fold = Path(command[command.index("--output_dir") + 1]).name
        calls.append((fold, command[7]))
        if fold == "fold_2":
            command = [part if before != "--max_epochs" else "1" for before, part in zip(["", *command], command)]  # noqa: B905
            in_this_process(command, check, cwd, env)
            return subprocess.CompletedProcess(command, -9)
        return in_this_process(command, check, cwd, env)

    def go_on(command: list[str], check: bool, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
        calls.append((Path(command[command.index("--output_dir") + 1]).name, command[7]))
        return in_this_process(command, check, cwd, env)

    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflows.subprocess, "run", until_killed)
        assert cross_validate(cohort, out).exit_code == 1
        assert calls == [("fold_1", "training"), ("fold_1", "evaluating"), ("fold_2", "training")]
        assert not (out / "predictions.csv").exists()
        kept = (out / "fold_1" / "model.pt").stat().st_mtime_ns
        calls.clear()
        patch.setattr(workflows.subprocess, "run", go_on)
        log = logging.getLogger("ichmonai.training.checkpoints")
        patch.setattr(log, "level", logging.INFO)
        log.addHandler(handler)
        assert cross_validate(cohort, out).exit_code == 0
        log.removeHandler(handler)
    assert calls == [("fold_2", "training"), ("fold_2", "evaluating")]
    assert (out / "fold_1" / "model.pt").stat().st_mtime_ns == kept
    assert any(message.startswith("Resumed from") and message.endswith("after epoch 1.") for message in messages)
    return out


def test_an_interrupted_fold_goes_on_and_all_get_the_same_training(result: Path) -> None:
    for fold in ("fold_1", "fold_2"):
        assert [row["epoch"] for row in read(result / fold / "epochs.csv")] == ["1", "2"]
        assert torch.load(result / fold / "last.pt", weights_only=True)["epoch"] == 2
        assert json.loads((result / fold / "calibration.json").read_text())["patients"] > 0


def test_each_patient_is_tested_once_by_a_network_that_has_not_seen_them(result: Path, cohort: Path) -> None:
    rows = read(result / "predictions.csv")
    assert sorted(row["image"] for row in rows) == sorted(item["image"] for item in load_datalist(cohort))
    patients = {item["patient"] for item in load_datalist(cohort)}
    for fold in ("1", "2"):
        splits = json.loads((result / f"fold_{fold}" / "split.json").read_text())["splits"]
        in_split = {name: set(part["patients"]) for name, part in splits.items()}
        assert {row["patient"] for row in rows if row["fold"] == fold} == in_split["test"]
        assert set.union(*in_split.values()) == patients
        assert sum(map(len, in_split.values())) == len(patients)
        for part in splits.values():
            assert all(part["slices"].values()), "each class is in every split"


def test_the_table_has_the_folds_and_what_is_pooled(result: Path) -> None:
    rows = read(result / "predictions.csv")
    table = {(row["level"], row["metric"]): row for row in read(result / "folds.csv")}
    auc = table["slice", "ich_auc"]
    truth, score, fold = (np.array([float(row[name]) for row in rows]) for name in ("ich", "p_ich", "fold"))
    of_folds = [roc_auc_score(truth[fold == k], score[fold == k]) for k in (1, 2)]
    assert [float(auc["fold_1"]), float(auc["fold_2"])] == pytest.approx(of_folds)
    assert float(auc["mean"]) == pytest.approx(np.mean(of_folds))
    assert float(auc["sd"]) == pytest.approx(np.std(of_folds, ddof=1))
    assert float(auc["pooled"]) == pytest.approx(roc_auc_score(truth, score))
    assert float(auc["pooled_low"]) <= float(auc["pooled"]) <= float(auc["pooled_high"])
    metrics = json.loads((result / "metrics.json").read_text())
    assert metrics["metrics"]["ich_auc"]["value"] == float(auc["pooled"])
    assert metrics["resamples"] == 50
    assert ("patient", "location_accuracy") in table


def test_what_people_read_says_what_it_is_not_for(result: Path) -> None:
    for name in ("crossval.md", "crossval.json", "report.html", "metrics.json"):
        assert "not for clinical use" in (result / name).read_text(encoding="utf-8"), name


def test_another_command_is_refused(result: Path, cohort: Path) -> None:
    before = (result / "predictions.csv").stat().st_mtime_ns
    other = cross_validate(cohort, result, learning_rate="0.01")
    assert other.exit_code == 1
    assert "is of another command" in other.stderr
    assert (result / "predictions.csv").stat().st_mtime_ns == before


def test_an_unknown_setting_leaves_nothing_and_names_the_nearest(cohort: Path, tmp_path: Path) -> None:
    other = cross_validate(cohort, tmp_path / "out", epochs="1")
    assert other.exit_code == 1
    assert "--set epochs names no setting of the training; the nearest is max_epochs." in other.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "setting", ["seed=1", "split_fractions=[1,0,0]", "output_dir=x", "image_size", "balance=$print(1)"]
)
def test_what_it_decides_itself_cannot_be_set_nor_code(setting: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["crossval", str(tmp_path), "--out", str(tmp_path / "out"), "--set", setting])
    assert result.exit_code == 1
    assert "--set" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_config_or_fold_that_is_none_is_refused(tmp_path: Path) -> None:
    command = ["crossval", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*command, "--config", "light"])
    assert result.exit_code == 1
    assert "--config light" in result.stderr
    assert CliRunner().invoke(app, [*command, "--folds", "3", "--fold", "4"]).exit_code == 2


def test_more_folds_than_patients_of_a_class_are_refused(cohort: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["crossval", str(cohort), "--out", str(tmp_path / "out"), "--folds", "9"])
    assert result.exit_code == 1
    assert "cannot be divided into 9 folds" in result.stderr


def test_a_failed_training_stops_the_command(cohort: Path, tmp_path: Path) -> None:
    failed: Callable = lambda command, **options: subprocess.CompletedProcess(command, 1)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflows.subprocess, "run", failed)
        result = cross_validate(cohort, tmp_path)
    assert result.exit_code == 1
    assert "training of fold 1 failed" in result.stderr
