"""The weights that the bundle carries."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom
from ichmonai.digests import sha256_of_file
from ichmonai.evaluation import Calibration
from ichmonai.model_description import ModelDescription
from ichmonai.paths import bundle_root

MODELS = bundle_root() / "models"


def test_both_files_hold_the_same_tensors_and_the_network_takes_them() -> None:
    state = torch.load(MODELS / "model.pt", weights_only=True)
    safe = load_file(MODELS / "model.safetensors")
    assert state.keys() == safe.keys()
    assert all(torch.equal(state[name], safe[name]) for name in state)
    assert all(torch.isfinite(value).all() for value in state.values())
    ModelDescription.beside(MODELS / "model.pt").create_network().load_state_dict(state)
    assert max((MODELS / name).stat().st_size for name in ("model.pt", "model.safetensors")) < 25e6


def test_their_description_is_what_their_training_would_write() -> None:
    recipe = ConfigParser()
    recipe.read_config(str(bundle_root() / "configs" / "train.json"))
    assert recipe.get_parsed_content("description") == ModelDescription.beside(MODELS / "model.pt")


def test_the_model_card_names_these_weights() -> None:
    card = (bundle_root() / "docs" / "README.md").read_text()
    assert sha256_of_file(MODELS / "model.pt") in card
    assert sha256_of_file(MODELS / "model.safetensors") in card


def test_they_are_calibrated_on_validation_patients() -> None:
    calibration = Calibration.read(MODELS / "calibration.json")
    assert set(calibration.temperature) == {"ich", "location"}
    assert calibration.patients > 40
    assert "validation" in calibration.fitted_on


def test_predict_answers_with_them_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    write_dicom(tmp_path / "scans", [make_study(5, kind=PhantomKind.DEEP, size=256)])
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "scans"), "--out", str(out), "--workers", "1"])
    assert result.exit_code == 0, result.output
    (study,) = read(out / "studies.csv")
    assert study["outcome"] in ("positive", "negative")
    record = json.loads((out / "run.json").read_text())
    assert record["weights"]["sha256"] == sha256_of_file(MODELS / "model.pt")
    assert record["temperature"] == Calibration.read(MODELS / "calibration.json").temperature


@pytest.mark.data
def test_real_slices_of_many_scanners_are_told_apart(real_data: Path, tmp_path: Path) -> None:
    with (real_data / "head_ct_200" / "labels.csv").open(newline="") as table:
        truth = {
            f"{int(row['id']):03d}": int(row["hemorrhage"]) for row in csv.DictReader(table, skipinitialspace=True)
        }
    chosen = list(truth)[::4]
    for name in chosen:  # a folder each: slices of one folder would be one series
        (tmp_path / "scans" / name).mkdir(parents=True)
        shutil.copy(real_data / "head_ct_200" / f"{name}.png", tmp_path / "scans" / name)
    command = ["predict", str(tmp_path / "scans"), "--out", str(tmp_path / "out"), "--workers", "1"]
    command += [part for code in ("too_few_slices", "burned_in", "not_head") for part in ("--accept", code)]
    assert CliRunner().invoke(app, command).exit_code == 0
    score = {Path(row["study"]).stem: float(row["p_ich"]) for row in read(tmp_path / "out" / "studies.csv")}
    assert len(score) == len(chosen)
    found = roc_auc_score([truth[name] for name in score], np.array(list(score.values())))
    assert found > 0.93  # measured on all 200 in the model card


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
