import sqlite3

import pytest

from ichmonai.errors import InputError
from ichmonai.io.findings import Code, Finding
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, Rejection, Series
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.steps import Answer

IDENTITY = {"weights_sha256": "a", "accept": []}


def series(name, study=None, images=("1.dcm", "2.dcm")):
    findings = (Finding(Code.GANTRY_TILT, "Tilted."),)
    return Series(study or name, name, tuple(map(ImageSource, images)), findings, states=images)


def answer(p, study="", outcome=None):
    outcome = outcome or ("positive" if p >= 0.5 else "negative")
    row = {"study": study, "outcome": outcome, "p_ich": f"{p:.6f}"}
    return Answer(None, row, [{"slice": 0}], {"read": 1.0}, content="0")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "journal.sqlite"


def test_headers_come_back_study_by_study(file):
    journal = Journal(file, IDENTITY)
    headers = [ImageHeader(ImageSource(f"{i}.dcm"), study, f"series of {study}") for i, study in enumerate("babca")]
    journal.add_headers(headers[:2])
    journal.add_headers(headers[2:])
    paths = [[header.source.path for header in one] for one in journal.studies()]
    assert paths == [["1.dcm", "4.dcm"], ["0.dcm", "2.dcm"], ["3.dcm"]]
    assert next(journal.studies())[0] == headers[1]


def test_a_task_is_open_until_it_is_answered_and_comes_back_whole(file):
    journal = Journal(file, IDENTITY)
    tasks = [series("b"), series("a"), series("c")]
    journal.plan(tasks, [])
    assert list(journal.open_tasks()) == sorted(tasks, key=lambda one: one.series)
    journal.record(tasks[0], answer(0.7))
    assert [one.series for one in journal.open_tasks()] == ["a", "c"]


def test_answers_can_be_written_while_tasks_are_taken(file):
    journal = Journal(file, IDENTITY)
    journal.plan([series(str(i)) for i in range(5)], [])
    taken = []
    for one in journal.open_tasks():
        taken.append(one.series)
        journal.record(one, answer(0.1))
    assert taken == [str(i) for i in range(5)]


def test_answers_outlive_the_run_but_not_a_change_of_the_images(file):
    journal = Journal(file, IDENTITY)
    for name, found in (("done", answer(0.7)), ("grown", answer(0.2)), ("gone", answer(0.9))):
        journal.plan([series(name)], [])
        journal.record(series(name), found)
    journal.plan([series("broken")], [])
    journal.record(series("broken"), Answer(Finding(Code.FAILED, "It crashed.")))
    journal.close()

    again = Journal(file, IDENTITY)
    again.plan(
        [series("done"), series("grown", images=("1.dcm", "2.dcm", "3.dcm")), series("broken"), series("new")], []
    )
    assert [one.series for one in again.open_tasks()] == ["broken", "grown", "new"]
    assert [row["p_ich"] for row in again.study_rows() if row.get("p_ich")] == ["0.700000"]


def test_a_journal_of_another_run_is_refused(file):
    Journal(file, IDENTITY).close()
    with pytest.raises(InputError, match="weights_sha256"):
        Journal(file, {**IDENTITY, "weights_sha256": "b"})
    assert Journal(file, IDENTITY).count() == 0


def test_a_file_that_is_no_journal_is_refused(file):
    file.write_bytes(b"something else" * 1000)
    with pytest.raises(InputError, match="cannot be used"):
        Journal(file, IDENTITY)


def test_a_file_that_is_cut_off_is_refused(file):
    journal = Journal(file, IDENTITY)
    for i in range(200):
        journal.plan([series(f"{i:03d}")], [])
        journal.record(series(f"{i:03d}"), answer(0.5))
    journal.close()
    whole = file.read_bytes()
    for share in (0.3, 0.6, 0.95):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match="cannot be used"):
            Journal(file, IDENTITY)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(file):
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE tasks (precious TEXT)")
        other.execute("INSERT INTO tasks VALUES ('x')")
    with pytest.raises(InputError, match="is no journal of ichmonai"):
        Journal(file, IDENTITY)
    assert sqlite3.connect(file).execute("SELECT * FROM tasks").fetchall() == [("x",)]


def test_a_journal_of_an_earlier_version_is_refused(file):
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE identity (record TEXT NOT NULL)")
        old.execute("CREATE TABLE answers (study TEXT, series TEXT, images TEXT)")
    with pytest.raises(InputError, match="is of another version; choose a new folder"):
        Journal(file, IDENTITY)


def test_a_journal_with_a_trigger_of_a_stranger_is_refused(file):
    Journal(file, IDENTITY).close()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TRIGGER t AFTER INSERT ON tasks BEGIN DELETE FROM answers; END")
    with pytest.raises(InputError, match="is of another version"):
        Journal(file, IDENTITY)


@pytest.mark.parametrize(
    "change",
    [
        "study_row = '{'",
        "study_row = '[]'",
        """study_row = '{"outcome": "positive", "colour": "red"}'""",
        """study_row = '{"p_ich": "high"}'""",
        """study_row = '{"p_ich": Infinity}'""",
        """study_row = '{"study": ["a"]}'""",
        r"""study_row = '{"study": "\ud800"}'""",
        f"""study_row = '{"[" * 100_000}'""",
        "slice_rows = '{}'",
        "slice_rows = '[1]'",
        """seconds = '{"read": "long"}'""",
    ],
)
def test_an_answer_that_is_none_is_one_sentence(file, change, tmp_path):
    journal = Journal(file, IDENTITY)
    journal.plan([series("a")], [])
    journal.record(series("a"), answer(0.5, "a"))
    with journal.connection:
        journal.connection.execute(f"UPDATE answers SET {change}")
    with pytest.raises(InputError, match=r"is damaged .*; remove it and start the run again"):
        list(journal.study_rows()), list(journal.slice_rows()), journal.seconds()


def test_a_runtime_in_a_journal_never_becomes_code(file):
    journal = Journal(file, IDENTITY)
    with journal.connection:
        journal.connection.execute("INSERT INTO runtimes VALUES (?)", ("$__import__('os').getcwd()",))
    with pytest.raises(InputError, match="is damaged"):
        journal.runtime()


def test_an_identity_that_is_none_is_one_sentence(file):
    Journal(file, IDENTITY).close()
    for record in ("{", "[]", "[" * 100_000):
        with sqlite3.connect(file) as other:
            other.execute("UPDATE identity SET record = ?", (record,))
        with pytest.raises(InputError, match="holds results of another run"):
            Journal(file, IDENTITY)


def test_a_worklist_never_ranks_a_failure_as_a_negative(file):
    journal = Journal(file, IDENTITY)
    found = {"low": 0.1, "high": 0.9, "lower": 0.01, "positive": 0.6}
    journal.plan([series(name) for name in (*found, "failed", "refused", "nan")], [])
    for name, p in found.items():
        journal.record(series(name), answer(p, name))
    journal.record(series("failed"), Answer(Finding(Code.FAILED, "It crashed.")))
    journal.record(series("refused"), Answer(Finding(Code.NOT_HU, "Air is at 0.")))
    journal.record(series("nan"), answer(float("nan"), "nan", "no_prediction"))
    journal.plan(
        [],
        [
            Rejection("scout", "scout", "s.dcm", Finding(Code.LOCALIZER, "A localizer.")),
            Rejection("scout", "other scout", "t.dcm", Finding(Code.LOCALIZER, "A localizer.")),
            Rejection("high", "other", "o.dcm", Finding(Code.NOT_SELECTED, "Another was taken.")),
            Rejection("high", "contrast", "c.dcm", Finding(Code.CONTRAST, "With contrast.")),
            Rejection("x.dcm", "", "x.dcm", Finding(Code.UNREADABLE, "Damaged.")),
        ],
    )
    rows = list(journal.study_rows())
    assert [row["study"] for row in rows] == ["high", "positive", "failed", "nan", "refused", "scout", "low", "lower"]
    assert {row["flags"] for row in rows if row["outcome"] == "no_prediction" and "flags" in row} == {
        "failed", "not_hu", "localizer",
    }  # fmt: skip
    rejected = [(row["study"], row["path"], row["code"]) for row in journal.rejected_rows()]
    assert rejected == [
        ("failed", "1.dcm", "failed"),
        ("refused", "1.dcm", "not_hu"),
        ("high", "c.dcm", "contrast"),
        ("high", "o.dcm", "not_selected"),
        ("scout", "s.dcm", "localizer"),
        ("scout", "t.dcm", "localizer"),
        ("x.dcm", "x.dcm", "unreadable"),
    ]


def test_one_series_uid_may_stand_in_two_studies(file):
    journal = Journal(file, IDENTITY)
    twins = [series("same", study) for study in ("s1", "s2")]
    journal.plan(twins, [])
    for one, p in zip(twins, (0.9, 0.1), strict=True):
        journal.record(one, answer(p, one.study))
    assert [row["study"] for row in journal.study_rows()] == ["s1", "s2"]


def test_an_answer_is_there_as_a_whole_or_not_at_all(file, monkeypatch):
    journal = Journal(file, IDENTITY)
    journal.plan([series("a")], [])
    with pytest.raises(TypeError):
        journal.record(series("a"), Answer(None, {"outcome": "positive", "p_ich": "1"}, [{"slice": object()}]))
    journal.close()
    rows = sqlite3.connect(file).execute("SELECT COUNT(*) FROM answers").fetchone()
    assert rows == (0,)


def test_a_refused_member_of_an_archive_is_named(file):
    journal = Journal(file, IDENTITY)
    one = Series("s", "s", (ImageSource("a.zip", "b/c.nii"),))
    journal.plan([one], [])
    journal.record(one, Answer(Finding(Code.NOT_HU, "Air is at 0.")))
    assert [row["path"] for row in journal.rejected_rows()] == ["a.zip/b/c.nii"]
