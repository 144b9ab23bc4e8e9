import csv

import pytest
import torch

from ichmonai.evaluation.slice_predictions import gather_rows
from ichmonai.tables import probability_columns, write_csv


def test_probability_columns():
    columns = probability_columns(torch.tensor([0.25, 0.75, 0.5, 0.3, 0.2]))
    assert columns == {"p_ich": "0.750000", "p_deep": "0.500000", "p_lobar": "0.300000", "p_subtentorial": "0.200000"}


def test_csv_is_complete_or_left_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.csv"
    write_csv(path, ("a", "b"), [{"a": 'x, "y"', "b": "ä"}, {"a": 1}])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"a": 'x, "y"', "b": "ä"}, {"a": "1", "b": ""}]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not in fieldnames"):
        write_csv(path, ("a",), [{"a": 1}, {"other": 2}])
    assert path.read_bytes() == before


def test_rows_of_two_ranks_are_in_the_order_of_the_dataset(on_two_ranks):
    rows = [{"n": n} for n in range(7)]
    assert gather_rows(rows) == rows
    for gathered in on_two_ranks(lambda: gather_rows(rows[torch.distributed.get_rank() :: 2])):
        assert gathered == rows
