import numpy as np
import pytest
import torch

from ichmonai.evaluation.cases import read_cases
from ichmonai.evaluation.levels import HIGHEST, patients_of, series_of
from ichmonai.prediction.aggregation import study_probabilities
from ichmonai.study_rule import RULE


def rows(**columns):
    count = len(columns["p_ich"])
    return {"study": ["s"] * count, "patient": ["a"] * count, "slice": [str(i) for i in range(count)]} | {
        name: [str(cell) for cell in cells] for name, cells in columns.items()
    }


def test_series_are_what_inference_makes_of_them(columns, table):
    whole = columns(patients=12, slices=9)
    order = np.random.default_rng(0).permutation(12 * 9)
    cases = series_of(read_cases(table({k: np.array(v)[order] for k, v in whole.items()})).cases)
    assert cases.rule == RULE
    p = np.array([whole[f"p_{name}"] for name in ("ich", "deep", "lobar", "subtentorial")], dtype=float)
    for i, name in enumerate(cases.names):
        mine = torch.tensor(p[:, np.array(whole["study"]) == name])
        expected = study_probabilities(torch.cat([1 - mine[:1], mine]))
        assert cases.scores["ich"][i] == pytest.approx(expected[1].item())
        assert cases.scores["location"][i] == pytest.approx(expected[2:].numpy())


def test_without_order_the_highest_slice_decides(columns, table):
    whole = columns(patients=4, slices=5)
    cases = series_of(read_cases(table(whole, without=("slice",))).cases)
    assert cases.rule == HIGHEST
    assert cases.scores["ich"] == pytest.approx(np.array(whole["p_ich"], dtype=float).reshape(4, 5).max(axis=1))


def test_one_slice_and_slices_in_numeric_order(table):
    one = series_of(read_cases(table(rows(p_ich=[0.7], ich=[1]))).cases)
    assert one.scores["ich"].tolist() == [0.7]
    # In the order 2, 9, 10 the neighbours reach 0.3; sorted as text, 10, 2, 9 reach 0.8.
    mixed = series_of(read_cases(table(rows(p_ich=[0.9, 0.3, 0.8], ich=[1, 0, 0], slice=[2, 9, 10]))).cases)
    assert mixed.scores["ich"].tolist() == [0.3]


def test_truth_of_a_series(table):
    def truth(*cells):
        return series_of(read_cases(table(rows(p_ich=[0.5] * 3, ich=cells))).cases).truth["ich"].tolist()

    assert truth(0, 0, 0) == [0]
    assert truth(0, 1, "") == [1]
    assert truth(0, "", 0) == [-1], "it may bleed where nobody looked"


def test_location_of_a_series_is_that_of_most_slices(table):
    def location(*cells):
        p = {f"p_{name}": ["0.2", "0.3", "0.2", "0.3"] for name in ("deep", "lobar")}
        p["p_subtentorial"] = ["0.6", "0.4", "0.6", "0.4"]
        columns = rows(p_ich=[0.5] * 4, ich=[1] * 4, location=cells) | p
        return series_of(read_cases(table(columns)).cases).truth["location"].tolist()

    assert location("deep", "lobar", "lobar", "") == [1]
    assert location("deep", "lobar", "", "") == [-1]


def test_patient_has_the_highest_of_their_series(columns, table):
    whole = columns(patients=4, slices=6)
    whole["patient"] = ["a"] * 12 + ["b"] * 12
    cases = read_cases(table(whole)).cases
    series, patients = series_of(cases), patients_of(cases)
    assert len(series) == 4
    assert patients.names.tolist() == ["a", "b"]
    assert patients.scores["ich"].tolist() == series.scores["ich"].reshape(2, 2).max(axis=1).tolist()
    assert patients.truth["ich"].tolist() == [1, 1]
    weight = cases.scores["ich"][:12, None] ** 2
    expected = (cases.scores["location"][:12] * weight).sum(axis=0) / weight.sum()
    assert patients.scores["location"][0] == pytest.approx(expected)


def test_slices_numbered_within_a_patient_are_a_series(table):
    cases = series_of(read_cases(table(without=("study",), patients=4)).cases)
    assert cases.rule == RULE
    assert len(cases) == 4


def test_no_series_where_none_is_named(table):
    cases = read_cases(table(without=("study", "slice"), patients=4)).cases
    assert series_of(cases) is None
    assert patients_of(cases).rule == HIGHEST


def test_predictions_of_studies(table):
    columns = {"study": ["s", "t", "u"], "patient": ["a", "a", "b"], "ich": ["0", "1", "0"]}
    cases = read_cases(table(columns | {"p_ich": ["0.2", "0.7", "0.4"]})).cases
    assert cases.level == "series"
    assert series_of(cases) is None
    assert patients_of(cases).scores["ich"].tolist() == [0.7, 0.4]
