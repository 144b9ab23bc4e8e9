"""What prediction says of a study is what evaluation makes of its slices."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ichmonai.errors import InputError
from ichmonai.evaluation.cases import read_cases
from ichmonai.evaluation.levels import series_of
from ichmonai.evaluation.tables import read_table
from ichmonai.prediction import study_probabilities
from ichmonai.prediction.rows import SLICE_COLUMNS, STUDY_COLUMNS, study_rows
from ichmonai.study_rule import MAX_APART, StudyDecision, highest_of_neighbours
from ichmonai.tables import write_csv

PROBABILITIES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40)


def predicted(folder, studies):
    """Tables as a prediction of studies (slices' ICH probabilities, apart) leaves them."""
    rows, slices = [], []
    for number, (ich, apart) in enumerate(studies):
        generator = np.random.default_rng(number)
        places = torch.from_numpy(generator.dirichlet((1, 1, 1), len(ich)).T.astype(np.float32))
        p = torch.tensor(ich, dtype=torch.float32)
        probabilities = torch.cat([torch.stack([1 - p, p]), places])
        # One slice without brain between two others, which are neighbours all the same.
        kept = [i + (i > len(ich) // 2) for i in range(len(ich))]
        meta = {"slice_count": len(ich) + 1, "brain_slices": kept, "slices_apart": apart}
        row, its_slices = study_rows(
            f"study {number}", "1.2", study_probabilities(probabilities, apart), probabilities, meta, StudyDecision()
        )
        rows.append(row)
        slices += [{**one, "sop_instance_uid": f"{number}.{one['slice']}"} for one in its_slices]
    write_csv(folder / "studies.csv", STUDY_COLUMNS, rows)
    write_csv(folder / "slices.csv", SLICE_COLUMNS, slices)
    write_csv(folder / "truth.csv", ("study", "ich", "location"), [{"study": row["study"], "ich": 1} for row in rows])
    return read_table(folder / "studies.csv"), read_table(folder / "slices.csv"), read_table(folder / "truth.csv")


@settings(max_examples=150, deadline=None)
@given(studies=st.lists(st.tuples(PROBABILITIES, st.integers(1, 12)), min_size=1, max_size=4))
def test_prediction_and_evaluation_agree_on_any_study(tmp_path_factory, studies):
    table, slices, truth = predicted(tmp_path_factory.mktemp("tables"), studies)
    series = series_of(read_cases(slices, truth).cases)
    p_ich = dict(zip(table.columns["study"], table.numbers("p_ich"), strict=True))
    places = np.stack([table.numbers(f"p_{name}") for name in ("deep", "lobar", "subtentorial")], axis=1)
    expected = dict(zip(table.columns["study"], places, strict=True))
    for name, score, place in zip(series.names, series.scores["ich"], series.scores["location"], strict=True):
        study = name.split("\n")[0]
        assert score == p_ich[study], "to the last digit of the tables"
        if score > 1e-3:  # of less, six digits do not say which slice counts more
            np.testing.assert_allclose(place, expected[study], atol=2e-3)


def test_slices_that_overlap_are_no_neighbours_in_an_evaluation(tmp_path):
    """30 slices of which two neighbours say 0.9: noise of one place, if it takes four to see another."""
    ich = [0.05] * 30
    ich[10:12] = [0.9, 0.9]
    for apart, expected in ((1, 0.9), (4, 0.05)):
        _, slices, truth = predicted(tmp_path, [(ich, apart)])
        assert series_of(read_cases(slices, truth).cases).scores["ich"].tolist() == [expected]


@settings(max_examples=200, deadline=None)
@given(
    series=st.lists(
        st.tuples(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 12)), min_size=1, max_size=5
    )
)
def test_rule_word_by_word(series):
    score = np.concatenate([ich for ich, _ in series])
    first = np.cumsum([0] + [len(ich) for ich, _ in series[:-1]])
    found = highest_of_neighbours(score, first, np.array([apart for _, apart in series]))
    for value, (ich, apart) in zip(found, series, strict=True):
        width = min(apart + 1, len(ich))
        assert value == max(min(ich[i : i + width]) for i in range(len(ich) - width + 1))


@pytest.mark.parametrize("cell", ["0", "-1", "1.5", "nan", "x", "", str(MAX_APART + 1), "1e9"])
def test_distance_that_is_none(tmp_path, cell):
    _, slices, truth = predicted(tmp_path, [([0.1, 0.2, 0.9], 2)])
    slices.columns["slices_apart"] = np.full(len(slices), cell)
    with pytest.raises(InputError, match="slices_apart"):
        read_cases(slices, truth)


def test_one_distance_for_a_series(tmp_path):
    _, slices, truth = predicted(tmp_path, [([0.1, 0.2, 0.9], 2)])
    slices.columns["slices_apart"][1] = "3"
    with pytest.raises(InputError, match="the same for all slices"):
        read_cases(slices, truth)
