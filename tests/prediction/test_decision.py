"""A study between the thresholds of a three-way decision gets no prediction, and says so everywhere."""

import csv

import pytest
import torch

from ichmonai import Predictor
from ichmonai.evaluation.calibration import Calibration
from ichmonai.prediction.rows import study_rows, worklist_rank
from ichmonai.study_rule import StudyDecision
from tests.prediction.in_process import run

THREE = StudyDecision(0.7, 0.2, {"subdural": 0.3})


def row_of(p, kinds=(), decision=THREE):
    summary = torch.tensor([1 - p, p, 0.2, 0.5, 0.3, *kinds])
    return study_rows("a", "b", summary, summary[:, None], {}, decision)[0]


@pytest.mark.parametrize(
    ("p", "outcome", "location", "flags"),
    [(0.8, "positive", "lobar", ""), (0.5, "no_prediction", "", "uncertain"), (0.1, "negative", "", "")],
)
def test_three_outcomes(p, outcome, location, flags):
    row = row_of(p)
    assert (row["outcome"], row["location"], row["flags"], row["p_ich"]) == (outcome, location, flags, f"{p:.6f}")


def test_no_number_is_no_uncertainty():
    assert (row_of(float("nan"))["outcome"], row_of(float("nan"))["flags"]) == ("no_prediction", "")


def test_kinds_of_a_positive_study_by_their_thresholds():
    kinds = (0.1, 0.6, 0.1, 0.45, 0.4)
    assert row_of(0.8, kinds)["kinds"] == "intraparenchymal;subdural"
    assert row_of(0.5, kinds)["kinds"] == ""


def test_uncertain_studies_stand_between_positives_and_failures():
    ranks = [worklist_rank(row_of(p)) for p in (0.9, 0.71, 0.6, 0.3)]
    ranks += [worklist_rank({"outcome": "no_prediction"}), worklist_rank(row_of(0.1))]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_from_the_calibration_to_the_tables_and_to_python(small_bundle, volume, tmp_path):
    file = volume("one")
    run(small_bundle, [file], tmp_path / "two")
    (row,) = table(tmp_path / "two")
    p = float(row["p_ich"])
    assert row["outcome"] in ("positive", "negative")
    points = {"sensitivity_95": p / 2, "specificity_95": (1 + p) / 2}
    Calibration({}, {"series": {"ich": points}}).write(tmp_path / "calibration.json")
    settings = {**small_bundle.settings, "calibration_path": str(tmp_path / "calibration.json")}
    settings["operating_point"] = "zone_95"
    source = type(small_bundle)(small_bundle.root, settings, trusted=True)
    summary = run(source, [file], tmp_path / "three", formats=("csv", "html"))
    assert (summary.no_prediction, summary.positive + summary.negative) == (1, 0)
    (row,) = table(tmp_path / "three")
    assert (row["outcome"], row["flags"], float(row["p_ich"])) == ("no_prediction", "uncertain", p)
    page = (tmp_path / "three" / "report.html").read_text()
    assert "too uncertain to say" in page
    assert f"negative up to {p / 2:.2f}" in page
    answer = Predictor(small_bundle.root, settings=settings, trust=True)(file)
    assert (answer.outcome, answer.probability) == ("no_prediction", p)


def table(folder):
    with (folder / "studies.csv").open(newline="") as file:
        return list(csv.DictReader(file))
