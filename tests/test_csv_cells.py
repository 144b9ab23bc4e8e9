import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichmonai.csv_cells import cell_text, csv_cell
from ichmonai.evaluation.tables import match, read_table
from ichmonai.prediction.writers import WRITERS
from ichmonai.tables import write_csv

HOSTILE = ('=HYPERLINK("http://x","y")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "-", "=", "'=1", "-0.5.1")
printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text):
    assert csv_cell(text) == f"'{text}"
    assert cell_text(csv_cell(text)) == text


@pytest.mark.parametrize("value", ["-0.5", "+1e-3", "0", "", "1.2.840.1", "a=b", "'", "'a", -0.5, None])
def test_numbers_and_plain_texts_stay(value):
    assert csv_cell(value) == value


@given(st.lists(st.sampled_from("'=+-@ \t\r1.a"), max_size=8).map("".join) | printable)
def test_every_text_comes_back(text):
    assert cell_text(csv_cell(text)) == text


@given(st.lists(printable.map(str.strip).filter(bool), min_size=1, unique=True))
def test_tables_come_back_and_are_matched(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_csv(path, ("image", "p"), [{"image": name, "p": "-0.5"} for name in names])
    table = read_table(path)
    assert table.columns["image"].tolist() == names
    assert (table.numbers("p") == -0.5).all()
    assert match(table, table)[1].tolist() == list(range(len(names)))


def test_other_formats_are_exact(tmp_path):
    rows = [{"study": text, "sentence": text} for text in HOSTILE]
    for name in ("csv", "jsonl", "parquet"):
        WRITERS[name](tmp_path).write_table(tmp_path / f"rejected.{name}", ("study", "sentence"), rows)
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert lines == rows
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "rejected.parquet").to_pylist() == rows
    with (tmp_path / "rejected.csv").open(newline="", encoding="utf-8") as file:
        assert [row["study"] for row in csv.DictReader(file)] == [f"'{text}" for text in HOSTILE]
