"""A csv of clinical data, from its cells to the numbers that a network takes."""

from pathlib import Path

import pytest
import torch

from ichmonai.clinical import AddClinicald, ClinicalTable, Column, fit_columns, read_rows, study_table
from ichmonai.errors import InputError

WHOSE = "jane roe"
COLUMNS = [Column("age", 60, 10), Column("sex", values=("f", "m"))]


def write(folder: Path, *lines: str) -> Path:
    path = folder / "clinical.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def items(*names: str, key: str = "patient") -> list[dict[str, str]]:
    return [{key: name} for name in names]


def test_numbers_are_standardised_and_categories_have_a_place_each(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,age,sex,note", "a,50,F,", "b,70,m,x", "c,,M ,", "d,60,f,", "e,NA,m,", "f,900,f,")
    rows = read_rows(path)
    records = fit_columns(rows, items("a", "b", "c", "d", "e", "a", "a"), ["age", "sex"])
    assert records[0] == {"name": "age", "kind": "number", "mean": 60, "std": pytest.approx((200 / 3) ** 0.5)}
    assert records[1] == {"name": "sex", "kind": "category", "values": ["m"]}, "two of five are f, and three are needed"
    table = ClinicalTable(rows, [Column.of(one) for one in records])
    assert table({"patient": "c"}) == [0, 0, 1]
    assert table({"patient": "d"}) == [0, 1, 0]
    assert table({"patient": "f"}) == [4, 1, 0], "a slip of a key is cut"
    assert table({"patient": "nobody"}) == [0, 0, 0]
    assert [table.known({"patient": name}) for name in "abcdz"] == [1, 2, 1, 1, 0]
    assert table.unknown == {"age": 0, "sex": 3}


def test_only_the_patients_of_the_training_are_fitted_and_each_counts_once(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "patient,age", "a,40", "b,80", "c,1000"))
    assert fit_columns(rows, items("a", "a", "a", "b"))[0]["mean"] == 60


def test_a_record_gives_the_column_and_a_damaged_one_none() -> None:
    for column in COLUMNS:
        assert Column.of(column.record()) == column
    for change in ({"kind": "category"}, {"std": 0}, {"mean": float("nan")}):
        with pytest.raises(ValueError, match="age is no clinical column"):
            Column.of({**COLUMNS[0].record(), **change})


def test_a_file_is_named_as_it_lies_beside_the_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "one.nii.gz").touch()
    path = write(tmp_path, "study,patient,age,sex", "scans/one.nii.gz,x,70,m", "1.2.3,y,50,f")
    table = study_table(path, COLUMNS)
    monkeypatch.chdir(tmp_path)
    for name in (str(tmp_path / "scans" / "one.nii.gz"), "scans/one.nii.gz", "scans/../scans/one.nii.gz"):
        assert table({"study": name}) == [1, 1, 0, 1]
    assert table({"study": "1.2.3"}) == [-1, 1, 1, 0]


def test_the_key_is_one_that_the_slices_have(tmp_path: Path) -> None:
    path = write(tmp_path, "study,patient,age", "1.2.3,a,50")
    assert read_rows(path, {"image": "", "patient": "a"}).key == "patient"
    assert read_rows(path, {"image": "", "patient": "a", "study": "1.2.3"}).key == "study"
    assert read_rows(path).columns == ("age",), "neither key is a column"


def test_the_transform_adds_the_numbers(tmp_path: Path) -> None:
    table = ClinicalTable(read_rows(write(tmp_path, "study,age,sex", "s,70,f")), COLUMNS)
    found = AddClinicald(table)({"image": 1, "study": "s"})
    assert found["image"] == 1
    assert torch.equal(found["clinical"], torch.tensor([1.0, 1, 1, 0]))


FAULTS = [
    (("age,sex", "70,f"), "lacks the column study, by which its rows are joined"),
    (("patient,age,sex", "a,70,f"), "lacks the column study, by which its rows are joined"),
    (("study", "a"), "has no column beside study"),
    (("study,age", f"{WHOSE},70"), "lacks the column sex, which the network was trained with"),
    (("study,age,sex", f"{WHOSE},70,f", "b,1,f", f"{WHOSE},70,f"), "two rows of one study, lines 2 and 4"),
    (("study,age,sex", f"a,{WHOSE},f"), "line 2 has no number in the column age"),
    (("study,age,sex", "a,inf,f"), "line 2 has no number in the column age"),
    (("study,age,sex", f"a,70,f,{WHOSE}"), "line 2 has more cells than the csv has columns"),
    (("study,age,sex", f",{WHOSE},f"), "line 2 has no study"),
    (("study,age,age", "a,1,2"), "two columns of the same name"),
    (("",), "lacks the column study"),
]


@pytest.mark.parametrize(("lines", "sentence"), FAULTS)
def test_each_fault_is_one_sentence_that_quotes_no_cell(tmp_path: Path, lines: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        study_table(write(tmp_path, *lines), COLUMNS)
    assert sentence in str(raised.value)
    assert WHOSE not in str(raised.value)
    assert str(tmp_path / "clinical.csv") in str(raised.value)


def test_what_is_no_table_and_weights_that_take_none_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "study,age,sex", "a,70,f")
    with pytest.raises(InputError, match="take no clinical data"):
        study_table(path, [])
    path.write_bytes(b"study,\xff\xfe\n")
    with pytest.raises(InputError, match="save it as UTF-8"):
        study_table(path, COLUMNS)
    with pytest.raises(InputError, match="not a readable csv file"):
        study_table(tmp_path / "absent.csv", COLUMNS)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([""] * 12, "has nothing in the column it"),
        ([f"{WHOSE} {i}" for i in range(12)], "12 different texts in the column it"),
        (["a", "a", "b", "b", "c"], "no category in the column it that 3 training studies share"),
    ],
)
def test_a_column_that_teaches_nothing_is_refused(tmp_path: Path, cells: list[str], sentence: str) -> None:
    path = write(tmp_path, "patient,it,age", *(f"p{i},{cell},{i}" for i, cell in enumerate(cells)))
    rows, training = read_rows(path), items(*(f"p{i}" for i in range(len(cells))))
    with pytest.raises(InputError) as raised:
        fit_columns(rows, training)
    assert sentence in str(raised.value)
    assert WHOSE not in str(raised.value)
    assert fit_columns(rows, training, ["age"])
    with pytest.raises(InputError, match="has no column weight; it has it, age"):
        fit_columns(rows, training, ["weight"])


def test_what_became_of_the_rows_is_said_without_a_cell(tmp_path: Path) -> None:
    path = write(tmp_path, "study,age,sex", f"a,70,{WHOSE}", f"{WHOSE},50,f", "b,60,")
    notes = " ".join(study_table(path, COLUMNS).notes(["a", "b", "c"]))
    assert "2 of 3 studies have a row; 1 rows are of no study that was answered" in notes
    assert "count as missing: sex 1." in notes
    assert WHOSE not in notes
