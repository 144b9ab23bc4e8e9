"""Training with clinical data, and predicting with a table and without."""

import csv
import json
from pathlib import Path

import pytest

from ichmonai.datasets.phantom import write_clinical
from ichmonai.model_description import ModelDescription
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
from tests.bundle.conftest import TRAINING, config_files, run
from tests.commands.test_predict import predict

COLUMNS = ["age", "sex", "systolic", "ldl", "gcs", "anticoagulation"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training with the phantom's clinical data, evaluated and weighed."""
    folder = tmp_path_factory.mktemp("clinical")
    table = write_clinical(cohort / "truth.csv").rename(folder / "clinical.csv")
    options = {**TRAINING, "dataset_dir": str(cohort), "output_dir": str(folder), "clinical_path": str(table)}
    run("training", config_files("dtvit", "clinical"), **options)
    for name in ("evaluating", "weighing"):
        run(name, config_files("dtvit", "clinical", "evaluate"), **options)
    return folder


def test_the_model_says_its_columns(trained: Path) -> None:
    columns = ModelDescription.beside(trained / "model.pt").clinical
    assert [one.name for one in columns] == COLUMNS
    assert [one.kind for one in columns] == ["number", "category", "number", "number", "number", "category"]
    training = json.loads((trained / "split.json").read_text())["splits"]["training"]["patients"]
    ages = [float(row["age"]) for row in read(trained / "clinical.csv") if row["patient"] in training and row["age"]]
    assert columns[0].mean == pytest.approx(sum(ages) / len(ages))


def test_every_column_is_weighed_on_unseen_patients(trained: Path) -> None:
    rows = read(trained / "evaluation" / "clinical.csv")
    assert [row["column"] for row in rows] == ["(all columns)", *COLUMNS]
    assert all(float(row["low"]) <= float(row["auc_lost"]) <= float(row["high"]) for row in rows)
    assert json.loads((trained / "evaluation" / "metrics.json").read_text())["metrics"]["ich_auc"]["value"] is not None


def table_of(folder: Path, *rows: str) -> Path:
    path = folder / "values.csv"
    path.write_text("\n".join(["study,age,sex,systolic,ldl,gcs,anticoagulation", *rows]) + "\n", encoding="utf-8")
    return path


def test_predictions_join_the_table_by_study(trained: Path, volumes: Path, tmp_path: Path) -> None:
    (scan,) = (volumes / "nifti").glob("*.nii.gz")
    weights = ("--set", f"ckpt_path={trained / 'model.pt'}", "--workers", "1", "--no-report", "--device", "cpu")

    def answer(name: str, *options: object) -> tuple[dict[str, str], str]:
        result = predict(scan, "--out", tmp_path / name, *weights, *options)
        assert result.exit_code == 0, result.output
        return read(tmp_path / name / "studies.csv")[0], " ".join(result.output.split())

    alone, said = answer("alone", "--set", "runtime=torch")
    assert alone["clinical"] == ""
    assert "The network also takes clinical data (age, sex, systolic" in said
    table = table_of(tmp_path, f"{scan},91,f,201,,7,moonshine", "9.9.9,50,m,,,,none")
    given, said = answer("given", "--clinical", table)
    assert given["clinical"] == "4"
    assert given["p_ich"] != alone["p_ich"]
    assert "1 of 1 studies have a row; 1 rows are of no study that was answered" in said
    assert "count as missing: anticoagulation 1." in said
    assert "The network ran on torch in fp32: clinical data beside the images is for it alone" in said
    for text in ("moonshine", "9.9.9", "201"):
        assert text not in said
    assert "clinical" in json.loads((tmp_path / "given" / "run.json").read_text())
    table_of(tmp_path, "9.9.9,50,m,,,,none")
    missing, _ = answer("missing", "--clinical", table)
    assert missing["clinical"] == "0"
    assert missing["p_ich"] == alone["p_ich"]
    table_of(tmp_path, f"{scan},20,f,100,,15,none")
    again, _ = answer("again", "--clinical", table)
    assert again["p_ich"] != given["p_ich"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "These weights take no clinical data"),
        (("--runtime", "onnxruntime"), "Clinical data is taken by torch alone, and onnxruntime was asked for"),
    ],
)
def test_what_cannot_take_the_table_says_so(
    trained: Path, volumes: Path, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    table = table_of(tmp_path, "9.9.9,50,m,,,,none")
    weights = ("--set", f"ckpt_path={trained / 'model.pt'}") if options else ()
    result = predict(
        volumes / "nifti", "--out", tmp_path / "out", "--clinical", table, "--workers", "1", *weights, *options
    )
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_another_table_is_another_run(trained: Path, tmp_path: Path) -> None:
    settings = {"ckpt_path": str(trained / "model.pt"), "device": "$torch.device('cpu')"}

    def identity(**more: str) -> str:
        return BundleSource(bundle_root(), {**settings, **more}).open().identity["config_sha256"]

    first = identity(clinical_path=str(table_of(tmp_path, "9.9.9,50,m,,,,none")))
    assert first == identity(clinical_path=str(tmp_path / "values.csv"))
    assert first != identity()
    assert first != identity(clinical_path=str(table_of(tmp_path, "9.9.9,51,m,,,,none")))
