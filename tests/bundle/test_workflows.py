"""Training, evaluation and inference through the bundle."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ichmonai.classes import LOCATIONS
from ichmonai.datasets import load_datalist
from ichmonai.errors import InputError
from ichmonai.networks import create_network
from ichmonai.paths import bundle_root
from tests.bundle.conftest import TRAINING, config_files, run


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_training_leaves_what_is_needed_to_judge_and_to_resume(training: Path) -> None:
    epochs = read(training / "epochs.csv")
    assert [row["epoch"] for row in epochs] == ["1", "2"]
    assert all(math.isfinite(float(row[f"{split}_loss"])) for row in epochs for split in ("train", "val"))
    assert float(epochs[1]["train_loss"]) < float(epochs[0]["train_loss"])
    for name in ("model.pt", "last.pt", "split.json", "curves.png", "confusion_ich.png", "confusion_location.png"):
        assert (training / name).is_file()
    assert any((training / "tensorboard").iterdir())
    state = torch.load(training / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_no_patient_is_in_two_splits(training: Path, cohort: Path) -> None:
    record = json.loads((training / "split.json").read_text())
    patients = [p for split in record["splits"].values() for p in split["patients"]]
    assert len(patients) == len(set(patients)) == len({item["patient"] for item in load_datalist(cohort)})


def test_evaluation_is_of_the_test_split_and_its_metrics_follow_from_its_predictions(
    training: Path, cohort: Path
) -> None:
    run("evaluating", config_files("dtvit", "evaluate"), dataset_dir=str(cohort), output_dir=str(training), **TRAINING)
    rows = read(training / "evaluation" / "predictions.csv")
    record = json.loads((training / "split.json").read_text())
    assert {row["patient"] for row in rows} == set(record["splits"]["test"]["patients"])
    metrics = json.loads((training / "evaluation" / "metrics.json").read_text())
    right = np.mean([(float(row["p_ich"]) > 0.5) == (row["ich"] == "1") for row in rows])
    assert metrics["metrics"]["ich_accuracy"]["value"] == pytest.approx(right)
    low, high = metrics["metrics"]["ich_accuracy"]["interval_95"]
    assert low <= right <= high
    record = json.loads((training / "evaluation" / "run.json").read_text())
    assert "not for clinical use" in record["notice"]
    assert len(record["weights"]["sha256"]) == 64


def test_a_dicom_series_and_its_nifti_give_the_same_predictions(training: Path, volumes: Path, tmp_path: Path) -> None:
    results = {}
    for name in ("dicom", "nifti"):
        out = tmp_path / name
        weights = str(training / "model.pt")
        run(
            "inference",
            config_files("inference"),
            dataset_dir=str(volumes / name),
            output_dir=str(out),
            ckpt_path=weights,
        )
        results[name] = read(out / "slices.csv"), read(out / "studies.csv")
    (slices, studies), (nifti_slices, nifti_studies) = results["dicom"], results["nifti"]
    assert len(slices) == len(nifti_slices) == int(studies[0]["slices"])
    assert [row["state"] for row in slices] == [row["state"] for row in nifti_slices]
    assert {"classified", "outside_brain"} == {row["state"] for row in slices}
    for one, other in ((slices, nifti_slices), (studies, nifti_studies)):
        scores = ([float(row["p_ich"]) for row in rows if row["p_ich"]] for rows in (one, other))
        np.testing.assert_allclose(*scores, atol=1e-5)
    assert studies[0]["leading_sop_instance_uid"] == slices[int(studies[0]["leading_slice"])]["sop_instance_uid"]
    assert len({row["sop_instance_uid"] for row in slices}) == len(slices)


def test_a_killed_training_continues_to_the_same_result(training: Path, cohort: Path, tmp_path: Path) -> None:
    options = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path)}
    run("training", config_files("dtvit"), **{**options, "max_epochs": 1})
    run("training", config_files("dtvit"), **options, resume=True)
    whole, resumed = (torch.load(folder / "last.pt", weights_only=True) for folder in (training, tmp_path))
    for name, value in whole["network"].items():
        assert torch.equal(value, resumed["network"][name]), name
    assert read(tmp_path / "epochs.csv") == read(training / "epochs.csv")


@pytest.mark.slow
def test_two_processes_train_and_evaluate_as_one(training: Path, cohort: Path, tmp_path: Path) -> None:
    options = [f"--{key}={value}" for key, value in TRAINING.items()]
    options += [f"--dataset_dir={cohort}", f"--output_dir={tmp_path}", f"--bundle_root={bundle_root()}"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for run_id, names in (
        ("training", ("dtvit", "multi_gpu_train")),
        ("evaluating", ("dtvit", "evaluate", "multi_gpu_evaluate")),
    ):
        command = [*launch, "-m", "monai.bundle", "run", run_id, "--config_file", str(config_files(*names)), *options]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-3000:]
    for one, two in zip(read(training / "epochs.csv"), read(tmp_path / "epochs.csv"), strict=True):
        for name in ("train_loss", "val_loss", "train_ich_auc", "val_ich_auc", "val_location_log_loss"):
            assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-3), name
    run("evaluating", config_files("dtvit", "evaluate"), dataset_dir=str(cohort), output_dir=str(training), **TRAINING)
    one, two = (read(folder / "evaluation" / "predictions.csv") for folder in (training, tmp_path))
    assert [row["image"] for row in one] == [row["image"] for row in two]
    np.testing.assert_allclose([float(r["p_ich"]) for r in one], [float(r["p_ich"]) for r in two], atol=1e-3)


def run_and_catch(run_id: str, names: tuple[str, ...], **override: object) -> str:
    """The sentence that a run fails with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - monai.bundle wraps the error, the cause is what counts
        run(run_id, config_files(*names), **override)
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    assert cause is not None, caught.value
    return str(cause)


def test_bad_input_is_said_in_one_sentence_before_training(training: Path, cohort: Path, tmp_path: Path) -> None:
    options = {**TRAINING, "output_dir": str(tmp_path / "out")}
    said = run_and_catch("training", ("dtvit",), dataset_dir=str(tmp_path / "absent"), **options)
    assert "does not exist" in said
    (tmp_path / "slices.csv").write_text("image,patient,ich,location\na.jpg,p1,2,\n")
    assert "ich '2'" in run_and_catch("training", ("dtvit",), dataset_dir=str(tmp_path), **options)
    only_normal = tmp_path / "normal.csv"
    images = [item["image"] for item in load_datalist(cohort) if item["label"][0] == 0][:12]
    only_normal.write_text("image,patient,ich,location\n" + "".join(f"{p},p{i},0,\n" for i, p in enumerate(images)))
    said = run_and_catch("training", ("dtvit",), dataset_dir=str(only_normal), **options)
    assert "no slice of deep, lobar, subtentorial" in said
    again = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(training)}
    assert "set resume" in run_and_catch("training", ("dtvit",), **again)
    other = {**again, "image_size": 32, "resume": True}
    assert "another network" in run_and_catch("training", ("dtvit",), **other)
    foreign = {**again, "ckpt_path": str(tmp_path / "model.pt")}
    torch.save(create_network("vit_tiny_patch16_224").state_dict(), tmp_path / "model.pt")
    assert "no model.json beside it" in run_and_catch("evaluating", ("dtvit", "evaluate"), **foreign)
    shutil.copy(training / "model.json", tmp_path)
    assert "another network" in run_and_catch("evaluating", ("dtvit", "evaluate"), **foreign)
    (tmp_path / "none").mkdir()
    for name in ("model.pt", "model.json"):
        shutil.copy(training / name, tmp_path / "none")
    said = run_and_catch("evaluating", ("dtvit", "evaluate"), **{**again, "output_dir": str(tmp_path / "none")})
    assert "written by training" in said


def test_an_unreadable_image_is_counted_and_stops_only_on_request(
    cohort: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    items = load_datalist(cohort)
    locations = [LOCATIONS[item["label"][1]] if item["label"][1] >= 0 else "" for item in items]
    rows = "".join(
        f"{item['image']},{item['patient']},{item['label'][0]},{location}\n"
        for item, location in zip(items, locations, strict=True)
    )
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "slices.csv").write_text(f"image,patient,ich,location\n{rows}broken.jpg,p,0,\n")
    options = {**TRAINING, "dataset_dir": str(tmp_path), "output_dir": str(tmp_path / "out"), "max_epochs": 1}
    said = run_and_catch("training", ("dtvit",), **options, stop_on_unreadable=True)
    assert "broken.jpg" in said
    run("training", config_files("dtvit"), **options)
    assert f"1 of {len(items) + 1} images" in capfd.readouterr().err


def test_a_missing_dataset_ends_the_command_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--bundle_root", str(bundle_root())]
    command += ["--config_file", str(config_files("dtvit")), "--dataset_dir", str(tmp_path / "absent")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.rstrip().splitlines()[-1].startswith("ichmonai: dataset_dir ")


@pytest.mark.data
def test_a_real_tilted_series_runs_through_inference(real_data: Path, training: Path, tmp_path: Path) -> None:
    run(
        "inference",
        config_files("inference"),
        dataset_dir=str(real_data / "dicom" / "ge_tilted_head"),
        output_dir=str(tmp_path),
        ckpt_path=str(training / "model.pt"),
    )
    (study,) = read(tmp_path / "studies.csv")
    assert study["slices"] == "28"
    assert 0 <= float(study["p_ich"]) <= 1


@pytest.mark.slow
def test_tracking_with_mlflow_records_the_metrics(cohort: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    options = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(tmp_path), "max_epochs": 1}
    run("training", config_files("dtvit"), **options, tracking="mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlruns.db'}")
    (record,) = mlflow.search_runs(experiment_names=["monai_experiment"], output_format="list")
    (row,) = read(tmp_path / "epochs.csv")
    assert record.data.metrics["val_ich_auc"] == pytest.approx(float(row["val_ich_auc"]))
    assert record.data.metrics["train_ich_auc"] == pytest.approx(float(row["train_ich_auc"]))
