"""Temperature and thresholds: fitted on validation by the evaluating workflow, kept with the weights, used there."""

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from ichmonai.classes import LOCATIONS
from ichmonai.datasets import drop_unreadable, load_datalist, read_splits, write_splits
from ichmonai.datasets.item import Item
from ichmonai.evaluation import Calibration, calibration_path, evaluate
from tests.bundle.conftest import TRAINING, config_files, run


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def relabelled(training: Path, cohort: Path, split: str, folder: Path) -> Path:
    """A copy of a training whose record and data differ in the labels of one split: ICH and normal are swapped."""
    items = drop_unreadable(load_datalist(cohort))
    splits = read_splits(items, training / "split.json")
    for item in splits[split]:
        item["label"] = np.array([0, -1]) if item["label"][0] else np.array([1, 0])
    folder.mkdir()
    for name in ("model.pt", "model.json"):
        shutil.copy(training / name, folder)
    write_splits(items, splits, folder / "split.json", TRAINING["split_fractions"], 0)
    write_slices(folder / "slices.csv", items)
    return folder


def write_slices(path: Path, items: Iterable[Item]) -> None:
    rows = [f"{i['image']},{i['patient']},{i['label'][0]},{location(i)}" for i in items]
    path.write_text("\n".join(["image,patient,ich,location", *rows]) + "\n")


def location(item: Item) -> str:
    return LOCATIONS[item["label"][1]] if item["label"][1] >= 0 else ""


def evaluated(folder: Path, dataset: Path, **more: object) -> Path:
    """Run the evaluating workflow and return its folder."""
    options = {**TRAINING, "dataset_dir": str(dataset), "output_dir": str(folder), **more}
    run("evaluating", config_files("dtvit", "evaluate"), **options)
    return folder / "evaluation"


@pytest.fixture(scope="module")
def run_folder(training: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has been evaluated."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("model.pt", "model.json", "split.json"):
        shutil.copy(training / name, folder)
    evaluated(folder, cohort)
    return folder


def test_it_is_fitted_on_the_validation_patients_and_applied_to_the_test(run_folder: Path) -> None:
    manifest = json.loads((run_folder / "split.json").read_text())["splits"]
    patients = {split: set(manifest[split]["patients"]) for split in manifest}
    results = run_folder / "evaluation"
    assert {row["patient"] for row in read(results / "validation.csv")} == patients["validation"]
    assert {row["patient"] for row in read(results / "predictions.csv")} == patients["test"]
    calibration = Calibration.read(run_folder / "calibration.json")
    assert "not for clinical use" in (run_folder / "calibration.json").read_text()
    assert calibration.patients == len(patients["validation"])
    assert "validation.csv" in calibration.fitted_on
    metrics = json.loads((results / "metrics.json").read_text())
    assert metrics["temperature"] == calibration.temperature
    assert metrics["heads"]["ich"]["calibration"].keys() == {"before", "after"}
    points = metrics["heads"]["ich"]["operating_points"]
    for name, threshold in calibration.thresholds["slice"]["ich"].items():
        assert points[name]["threshold"] == threshold

    commanded = evaluate(results / "predictions.csv", validation=results / "validation.csv", resamples=10).calibration
    assert commanded == calibration  # `ichmonai evaluate --validation` fits the same


def test_it_can_be_fitted_alone(training: Path, cohort: Path, run_folder: Path, tmp_path: Path) -> None:
    for name in ("model.pt", "model.json", "split.json"):
        shutil.copy(training / name, tmp_path)
    options = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path)}
    run("calibrating", config_files("dtvit", "evaluate"), **options)
    assert (tmp_path / "calibration.json").read_bytes() == (run_folder / "calibration.json").read_bytes()
    assert not (tmp_path / "evaluation" / "predictions.csv").exists()


def test_labels_of_the_test_change_no_fitted_number(
    training: Path, cohort: Path, run_folder: Path, tmp_path: Path
) -> None:
    fitted = (run_folder / "calibration.json").read_bytes()
    scores = [row["p_ich"] for row in read(run_folder / "evaluation" / "predictions.csv")]
    metrics = json.loads((run_folder / "evaluation" / "metrics.json").read_text())["metrics"]

    other_test = relabelled(training, cohort, "test", tmp_path / "test")
    evaluated(other_test, other_test)
    assert (other_test / "calibration.json").read_bytes() == fitted
    changed = read(other_test / "evaluation" / "predictions.csv")
    assert [row["p_ich"] for row in changed] == scores
    assert [row["ich"] for row in changed] != [r["ich"] for r in read(run_folder / "evaluation" / "predictions.csv")]
    assert json.loads((other_test / "evaluation" / "metrics.json").read_text())["metrics"] != metrics

    other_validation = relabelled(training, cohort, "validation", tmp_path / "validation")
    evaluated(other_validation, other_validation)
    assert (other_validation / "calibration.json").read_bytes() != fitted


def test_other_splits_fit_nothing_and_are_not_judged_by_what_was_fitted_on_them(
    run_folder: Path, cohort: Path, tmp_path: Path
) -> None:
    fitted = (run_folder / "calibration.json").read_bytes()
    evaluated(run_folder, cohort, split="validation", evaluation_dir=str(tmp_path))
    assert (run_folder / "calibration.json").read_bytes() == fitted
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["temperature"] is None
    assert metrics["heads"]["ich"]["calibration"].keys() == {"before"}
    assert not (tmp_path / "validation.csv").exists()


def test_inference_takes_the_calibration_that_lies_beside_its_weights(
    training: Path, volumes: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "model.pt"
    for name in ("model.pt", "model.json"):
        shutil.copy(training / name, tmp_path)
    found = {}
    for name in ("without", "with", "given"):
        settings = {}
        if name == "with":
            thresholds = {"series": {"ich": {"specificity_90": 0.125}}}
            Calibration({"ich": 3.0}, thresholds).write(calibration_path(weights))
        elif name == "given":
            Calibration({"ich": 2.0}, {"series": {"ich": {"specificity_90": 0.25}}}).write(tmp_path / "fitted.json")
            settings["calibration_path"] = str(tmp_path / "fitted.json")
        run(
            "inference",
            config_files("inference"),
            dataset_dir=str(volumes / "nifti"),
            output_dir=str(tmp_path / name),
            ckpt_path=str(weights),
            **settings,
        )
        rows = [row for row in read(tmp_path / name / "slices.csv") if row["p_ich"]]
        found[name] = np.array([float(row["p_ich"]) for row in rows])
    np.testing.assert_allclose(found["with"], expit(logit(found["without"]) / 3), atol=1e-4)
    assert np.abs(found["with"] - found["without"]).max() > 1e-3
    np.testing.assert_allclose(found["given"], expit(logit(found["without"]) / 2), atol=1e-4)
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in found]
    assert [record["threshold"] for record in records] == [0.5, 0.125, 0.25]
    assert [record["temperature"] for record in records] == [{}, {"ich": 3.0}, {"ich": 2.0}]


def test_weights_of_the_bundle_take_their_calibration_from_models() -> None:
    assert calibration_path("bundle/models/model.pt") == Path("bundle/models/calibration.json")
