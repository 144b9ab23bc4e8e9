"""`ichmonai benchmark` from a set's folder to its numbers, through the prediction of `ichmonai predict`."""

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.datasets.phantom import make_study, write_cq500, write_ct_ich
from tests.prediction.test_run import table

SMALL = ("--trust", "--workers", "1", "--device", "cpu", "--resamples", "20")


@pytest.fixture(scope="module")
def cohort():
    return [make_study(i, kind, 128, tilt=0.0) for i, kind in enumerate(("normal", "deep"), start=1)]


def benchmark(*arguments):
    return CliRunner().invoke(app, ["benchmark", *map(str, arguments)])


def numbers(out: Path) -> list[list[str]]:
    with (out / "benchmark.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_ct_ich_is_predicted_and_judged_and_a_second_start_goes_on(small_bundle, cohort, tmp_path):
    folder, out = tmp_path / "set", tmp_path / "out"
    folder.mkdir()
    write_ct_ich(folder, cohort)
    shutil.copy(folder / "ct_scans" / "049.nii", folder / "ct_scans" / "extra.nii")
    options = ("ct-ich", folder, "--out", out, "--bundle", small_bundle.root, *SMALL)
    first = benchmark(*options)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("## ct-ich")
    assert "0.964 [1]" in first.stdout
    assert len(table(out / "studies.csv")) == 2
    rows = table(out / "benchmark.csv")
    by_place = {(row["level"], row["head"], row["metric"]): row for row in rows if row["source"].startswith("ichmonai")}
    assert by_place["slice", "ich", "auc"]["cases"] == str(sum(study.hu.shape[2] for study in cohort))
    assert by_place["study", "ich", "auc"]["patients"] == "2"
    before = (numbers(out), (out / "slices.csv").read_bytes())
    again = benchmark(*options)
    assert again.exit_code == 0, again.output
    assert (numbers(out), (out / "slices.csv").read_bytes()) == before


def test_cq500_takes_the_series_that_suits(small_bundle, cohort, tmp_path):
    folder, out = tmp_path / "set", tmp_path / "out"
    folder.mkdir()
    write_cq500(folder, cohort)
    result = benchmark("cq500", folder, "--out", out, "--bundle", small_bundle.root, *SMALL)
    assert result.exit_code == 0, result.output
    assert {Path(row["path"]).name for row in table(out / "studies.csv")} == {"CT Plain"}
    assert "| study | any haemorrhage | 2 (1), 2 |" in result.stdout


def test_a_folder_of_another_set_is_wrong_usage(small_bundle, cohort, tmp_path):
    (tmp_path / "set").mkdir()
    result = benchmark("bhsd", tmp_path / "set", "--out", tmp_path / "out", "--bundle", small_bundle.root, *SMALL)
    assert result.exit_code == 2
    assert result.output.count("ichmonai:") == 1
    assert "has no folders images and ground truths" in result.output
    assert not list((tmp_path / "out").glob("*.csv"))
