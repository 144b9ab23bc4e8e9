import numpy as np
import pytest

from ichmonai.errors import InputError
from ichmonai.evaluation.cases import read_cases
from ichmonai.evaluation.metrics import head_metrics
from ichmonai.evaluation.subgroups import groups_of, subgroup_metrics


def groups(column, *cells):
    return groups_of(np.array(cells, dtype=np.str_), column).tolist()


def test_groups():
    assert groups("scanner", "GE", "", "Canon") == ["GE", "unknown", "Canon"]
    assert groups("tilt", "0", "18.5", "", "0") == ["0", "18.5", "unknown", "0"]
    assert groups("age", "17", "063Y", "011M", "80", "", "x") == [
        "below 18",
        "40 to below 65",
        "below 18",
        "80 and more",
        "unknown",
        "unknown",
    ]
    quarters = groups("thickness", *map(str, range(100)), "")
    assert sorted(set(quarters)) == ["25 to below 50", "50 to below 74", "74 and more", "below 25", "unknown"]


def test_a_group_is_evaluated_as_if_alone(columns, table):
    cases = read_cases(table(patients=90)).cases
    found = {group.group: group for group in subgroup_metrics(cases, "ich", "scanner", n=50, seed=0)}
    assert list(found) == ["Canon", "GE"]
    rows = cases.columns["scanner"] == "GE"
    ich = cases.scores["ich"][rows]
    p = np.stack([1 - ich, ich, *(np.full(len(ich), 1 / 3) for _ in range(3))], axis=1)
    expected = head_metrics(p, np.stack([cases.truth["ich"][rows], np.full(len(ich), -1)], axis=1))
    for name, one in found["GE"].metrics.items():
        assert one.value == pytest.approx(expected[f"ich_{name}"])
        assert one.low < one.value < one.high
    assert (found["GE"].n, found["GE"].patients) == (int(rows.sum()), 60)
    assert (found["GE"].positive_patients, found["GE"].negative_patients) == (30, 60)


def test_too_few(table):
    cases = read_cases(table(patients=18)).cases  # Canon: 6 patients; GE: 12, of whom 6 bleed
    canon, ge = subgroup_metrics(cases, "ich", "scanner", n=10, seed=0)
    assert set(canon.metrics.values()) == {None}
    assert canon.patients == 6
    assert ge.metrics["specificity"] is not None
    assert ge.metrics["sensitivity"] is ge.metrics["auc"] is ge.metrics["ppv"] is None


def test_a_group_of_unknown_truth_is_empty(columns, table):
    whole = columns(patients=30)
    whole["ich"] = ["" if s == "Canon" else i for s, i in zip(whole["scanner"], whole["ich"], strict=True)]
    whole["location"] = [p if i == "1" else "" for p, i in zip(whole["location"], whole["ich"], strict=True)]
    canon, _ = subgroup_metrics(read_cases(table(whole)).cases, "ich", "scanner", n=10, seed=0)
    assert (canon.n, canon.patients, canon.positives) == (0, 0, 0)
    assert set(canon.metrics.values()) == {None}


def test_unknown_column(table):
    with pytest.raises(InputError, match=r"no column 'kernel' .* age, .*scanner"):
        subgroup_metrics(read_cases(table(patients=4)).cases, "ich", "kernel", n=10, seed=0)
