import json
import os
import time
from pathlib import Path

import pytest

from ichmonai.errors import InputError
from ichmonai.monitoring.observed import observe
from tests.monitoring.conftest import studies, write_results


def test_a_reference_says_the_same_as_the_results_and_names_no_study(tmp_path: Path) -> None:
    rows = [row | {"path": "/archive/DOE^JANE"} for row in studies(50, 1)]
    found = observe([write_results(tmp_path / "r", rows, ("empty",))])
    found.write(tmp_path / "reference.json")
    text = (tmp_path / "reference.json").read_text()
    assert observe([tmp_path / "reference.json"]) == found
    assert "DOE" not in text
    assert "1.2.1." not in text
    assert found.inputs == 51
    assert found.weights == ["a"]


def test_a_node_s_folder_and_folders_of_shards(tmp_path: Path) -> None:
    rows = studies(4, 1)
    for i, row in enumerate(rows):
        write_results(tmp_path / "node" / "answered" / str(i) / "results", [row])
        write_results(tmp_path / "shards" / f"shard-{i + 1}-of-4", [row])
    one = observe([write_results(tmp_path / "r", rows)])
    assert observe([tmp_path / "node"]) == observe([tmp_path / "shards"]) == one
    assert observe([tmp_path / "node", tmp_path / "shards"]) == one  # a study counts once


def test_only_the_last_days(tmp_path: Path) -> None:
    old, new = studies(2, 1)
    table = write_results(tmp_path / "node" / "answered" / "0" / "results", [old]) / "studies.csv"
    os.utime(table, (time.time() - 10 * 86400,) * 2)
    write_results(tmp_path / "node" / "answered" / "1" / "results", [new])
    assert observe([tmp_path / "node"], days=7).inputs == 1
    assert observe([tmp_path / "node"], days=11).inputs == 2


def test_what_was_refused_counts_once(tmp_path: Path) -> None:
    refused = {"study": "s", "series": "", "outcome": "no_prediction", "flags": "derived;contrast"}
    folder = write_results(tmp_path / "r", [refused])
    with (folder / "rejected.csv").open("a") as file:
        file.write("s,t,/a,derived,No.\ns,u,/b,contrast,No.\n/c,,/c,unreadable,No.\n")
    found = observe([folder])
    assert found.inputs == 2
    assert found.codes == {"contrast": 1, "derived": 1, "unreadable": 1}
    assert found.names["scanner"] == found.outcomes == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [("study,series\n1,2\n", "has no column outcome"), ("\xff", "no column"), ("", "no column study")],
)
def test_tables_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "studies.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        observe([tmp_path])


def test_numbers_that_are_none(tmp_path: Path) -> None:
    (row,) = studies(1, 1)
    with pytest.raises(InputError, match="noise_hu is 'inf'"):
        observe([write_results(tmp_path / "r", [row | {"noise_hu": "inf"}])])


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no studies\.csv"):
        observe([tmp_path])


@pytest.mark.parametrize(
    ("name", "value"), [("inputs", "many"), ("codes", {"x": -1}), ("numbers", {}), ("names", {"scanner": {"a": "b"}})]
)
def test_references_that_are_none(tmp_path: Path, name: str, value: object) -> None:
    observe([write_results(tmp_path / "r", studies(3, 1))]).write(tmp_path / "reference.json")
    record = json.loads((tmp_path / "reference.json").read_text()) | {name: value}
    (tmp_path / "reference.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="cannot be read as a reference"):
        observe([tmp_path / "reference.json"])
