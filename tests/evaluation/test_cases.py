import numpy as np
import pytest

from ichmonai.errors import InputError
from ichmonai.evaluation.cases import read_cases
from ichmonai.evaluation.tables import match, read_table

PREDICTED = ("p_ich", "p_deep", "p_lobar", "p_subtentorial")
TRUTH = ("patient", "ich", "location")


def changed(columns, name, row, cell):
    return columns | {name: [cell if i == row else old for i, old in enumerate(columns[name])]}


def test_predictions_that_hold_the_truth(table):
    intake = read_cases(table(patients=10))
    assert intake.matched_by == ()
    assert intake.cases.level == "slice"
    assert intake.cases.labels == ("ich",)
    assert len(intake.cases) == 60
    assert (intake.cases.truth["location"] >= 0).sum() == (intake.cases.truth["ich"] == 1).sum() == 15
    assert intake.cases.scores["location"].sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)


@pytest.mark.parametrize("key", [("image",), ("study", "slice"), ("sop_instance_uid",)])
def test_joined_on(columns, table, key):
    whole = columns(patients=10)
    whole["sop_instance_uid"] = [f"1.2.3.{i}" for i in range(60)]
    order = np.random.default_rng(0).permutation(60)
    truth = {name: np.array(whole[name])[order].tolist() for name in (*key, *TRUTH)}
    intake = read_cases(table({name: whole[name] for name in (*key, *PREDICTED)}), table(truth))
    expected = read_cases(table(whole)).cases
    assert intake.matched_by == key
    assert (intake.predictions_without_truth, intake.truth_without_prediction) == (0, 0)
    for head in ("ich", "location"):
        np.testing.assert_array_equal(intake.cases.truth[head], expected.truth[head])
    np.testing.assert_array_equal(intake.cases.patients, expected.patients)


def test_image_in_another_folder_and_slice_written_otherwise(columns, table):
    whole = columns(patients=4)
    elsewhere = {name: whole[name] for name in PREDICTED} | {"image": [rf"D:\data\{n}" for n in whole["image"]]}
    truth = {name: whole[name] for name in TRUTH} | {"image": [f"images/{n}" for n in whole["image"]]}
    assert read_cases(table(elsewhere), table(truth)).predictions_without_truth == 0
    numbered = whole | {"slice": [f"{int(s):03d}" for s in whole["slice"]]}
    keys = ("study", "slice")
    _, found = match(table({k: whole[k] for k in keys}), table({k: numbered[k] for k in keys}))
    np.testing.assert_array_equal(found, np.arange(24))


def test_truth_of_studies(columns, table):
    whole = columns(patients=10)
    first = range(0, 60, 6)
    truth = {
        "study": [whole["study"][i] for i in first],
        "patient": [whole["patient"][i] for i in first],
        "ich": [str(i % 2) for i in range(10)],
    }
    intake = read_cases(table({k: whole[k] for k in ("study", "slice", *PREDICTED)}), table(truth))
    assert intake.truth_of_series
    assert any("p_location was not evaluated" in note for note in intake.notes)


def test_unmatched_rows_are_counted(columns, table):
    whole = columns(patients=10)
    predictions = {k: v[6:] for k, v in whole.items() if k in ("image", *PREDICTED)}
    truth = {k: v[:-4] for k, v in whole.items() if k in ("image", *TRUTH)}
    intake = read_cases(table(predictions), table(truth))
    assert (intake.predictions_without_truth, intake.truth_without_prediction) == (4, 6)
    assert len(intake.cases) == len(intake.table) == 50


def test_slices_without_truth_still_belong_to_their_series(columns, table):
    whole = columns(patients=10)
    predictions = {k: whole[k] for k in ("study", "slice", *PREDICTED)}
    truth = {k: v[1:] for k, v in whole.items() if k in ("study", "slice", *TRUTH)}
    intake = read_cases(table(predictions), table(truth))
    assert len(intake.cases) == 60
    assert intake.cases.truth["ich"][0] == -1
    assert intake.cases.patients[0] == intake.cases.patients[1]


def test_study_stands_for_the_patient_only_where_none_is_named(columns, table):
    whole = columns(patients=4)
    intake = read_cases(table({k: whole[k] for k in ("study", "slice", "ich", "p_ich")}))
    assert any("each study counts as a patient" in note for note in intake.notes)
    with pytest.raises(InputError, match=r"Neither .* has a column patient"):
        read_cases(table({k: whole[k] for k in ("image", "ich", "p_ich")}))


def test_any_labels(table):
    rows = {"image": ["a", "b"], "patient": ["1", "2"], "any": ["1", "0"], "subdural": ["1", ""]}
    rows |= {"p_any": ["0.9", "0.2"], "p_subdural": ["0.5", "0.1"], "p_epidural": ["0.1", "0.1"]}
    intake = read_cases(table(rows))
    assert intake.cases.labels == ("any", "subdural")
    assert intake.cases.truth["subdural"].tolist() == [1, -1]
    assert intake.notes == ("p_epidural was not evaluated: there is no column epidural of its truth.",)


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("p_ich", "nan", r"rows.csv, line 9: p_ich is nan \(1 such rows\)"),
        ("p_ich", "", "line 9: p_ich is empty"),
        ("p_ich", "1.2", "line 9: p_ich is 1.2 .* between 0 and 1"),
        ("p_ich", "high", "line 9: p_ich is 'high'; give a number"),
        ("p_deep", "0.999", "line 9: p_deep, p_lobar, p_subtentorial do not add up to 1"),
        ("ich", "2", "ich of rows.csv, line 9 is '2'; give 0, 1"),
        ("location", "lobe", "location of rows.csv, line 9 is 'lobe'; give deep, lobar, subtentorial"),
        ("location", "deep", "contradicts itself for rows.csv, line 9: ich is 0 but location is deep"),
        ("image", "p000_00.png", "line 9 has the image of line 2 again"),
        ("patient", "", "line 9: patient is empty"),
    ],
)
def test_refuses_a_cell_and_names_it(columns, table, name, cell, message):
    with pytest.raises(InputError, match=message):
        read_cases(table(changed(columns(patients=4), name, 7, cell), without=("study", "slice")))


def test_refuses_missing_columns(table):
    for without, message in (
        (("p_ich", *PREDICTED), "no column of probabilities"),
        (("p_lobar",), "lacks p_lobar"),
        (("ich",), "no column ich"),
        (("image", "study"), "no column that names its rows"),
    ):
        with pytest.raises(InputError, match=message):
            read_cases(table(without=without, patients=4))


def test_refuses_truth_of_other_images(columns, table):
    with pytest.raises(InputError, match=r"No row of rows.csv is in truth.csv by image"):
        read_cases(table(patients=4, without=("study",)), table(patients=4, prefix="q", name="truth.csv"))
    with pytest.raises(InputError, match="share no column that names a row"):
        read_cases(table(without=("study",)), table(without=("image",)))
    truth = columns(patients=4)
    twice = {name: [*cells, cells[5]] for name, cells in truth.items()}
    with pytest.raises(InputError, match=r"truth.csv, line 26 has the image of line 7 again"):
        read_cases(table(patients=4), table(twice, name="truth.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image,p_ich\n", "has no rows"),
        (b"", "has no rows"),
        (b"image,image\na,b\n", "has a column twice"),
        (b"image,p_ich\na,0.5\nb\n", "line 3 has 1 cells for 2 columns"),
        (b"\xff\xfe\x00", "cannot be read as csv"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "rows.csv")


def test_a_file_as_spreadsheets_write_it(tmp_path):
    (tmp_path / "rows.csv").write_bytes('\ufeffimage, p_ich\r\n"a, b",0.5\r\nä,0.25\r\n'.encode())
    found = read_table(tmp_path / "rows.csv")
    assert found.columns["image"].tolist() == ["a, b", "ä"]
    assert found.numbers("p_ich").tolist() == [0.5, 0.25]


def test_tables_of_predict(columns, table):
    """Series of a study, slices without an answer, and a predicted location, which is no truth."""
    whole = columns(patients=10)
    whole["series"] = [f"1.2.{int(s) // 3}" for s in whole["slice"]]
    whole["location"] = ["lobar"] * 60
    for name in PREDICTED:
        whole[name] = ["" if i in (0, 31) else cell for i, cell in enumerate(whole[name])]
    predictions = table({k: whole[k] for k in ("study", "series", "slice", "location", *PREDICTED)})
    truth = table({k: whole[k] for k in ("study", "slice", "patient", "ich")}, name="truth.csv")
    intake = read_cases(predictions, truth)
    assert intake.matched_by == ("study", "slice")
    assert "location" not in intake.cases.truth
    assert (len(intake.cases), intake.truth_without_prediction) == (58, 2)
    assert "2 rows of rows.csv hold no probability and are in no number." in intake.notes
    assert len(set(intake.cases.studies)) == 20
    whole["p_ich"][40] = "nan"
    with pytest.raises(InputError, match=r"rows.csv, line 42: p_ich is nan"):
        read_cases(table({k: whole[k] for k in ("study", "series", "slice", *PREDICTED)}), truth)


def test_a_study_of_two_patients_is_refused(columns, table):
    whole = columns(patients=10)
    other = changed(whole, "patient", 1, whole["patient"][-1])
    assert whole["study"][0] == whole["study"][1]
    with pytest.raises(InputError, match=r"line 3: patient is another than in line 2, of the same study"):
        read_cases(table(other))
