"""Clinical values of the phantom follow the model that is stated."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.clinical import read_rows
from ichmonai.datasets.phantom.clinical import COLUMNS, MISSING, draw_clinical


def test_a_regression_finds_the_slopes_that_are_stated() -> None:
    rng = np.random.default_rng(0)
    bleeding = np.arange(6000) % 2 == 1
    rows = [draw_clinical(rng, bool(one)) for one in bleeding]
    cells = [row[name] == "" for row in rows for name in COLUMNS]
    assert np.mean(cells) == pytest.approx(MISSING, abs=0.01)
    whole = [i for i, row in enumerate(rows) if all(row.values())]
    facts = np.array([
        [float(rows[i]["age"]), float(rows[i]["systolic"]), rows[i]["anticoagulation"] == "doac",
         rows[i]["anticoagulation"] == "vka", rows[i]["sex"] == "m", float(rows[i]["ldl"])] for i in whole
    ], dtype=float)  # fmt: skip
    scale = facts.std(0)
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(facts / scale, bleeding[whole]).coef_[0] / scale
    assert fitted[:2] == pytest.approx([0.03, 0.035], abs=0.008)
    assert fitted[2:4] == pytest.approx([0.8, 1.6], abs=0.35)
    assert fitted[4:] == pytest.approx([0, 0], abs=0.25)


@pytest.mark.parametrize(("layout", "key"), [("dicom", "study"), ("nifti", "study"), ("dtvit", "patient")])
def test_the_command_writes_a_row_a_patient(tmp_path: Path, layout: str, key: str) -> None:
    options = ["--patients", "2", "--size", "64", "--workers", "1", "--format", layout, "--clinical"]
    assert CliRunner().invoke(app, ["phantom", str(tmp_path / "one"), *options]).exit_code == 0
    rows = read_rows(tmp_path / "one" / "clinical.csv")
    with (tmp_path / "one" / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    names = {row["study"] or str(tmp_path / "one" / row["file"]) for row in truth}
    assert rows.key == key
    assert rows.columns == COLUMNS
    assert set(rows.cells) == (names if key == "study" else {row["patient"] for row in truth})
