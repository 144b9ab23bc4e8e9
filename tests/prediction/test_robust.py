"""Runs to which something happens: a sentence, or the tables of an undisturbed run, and the next start goes on."""

import errno
import json
import os
import re
import sqlite3
import stat
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ichmonai import private_files
from ichmonai.commands.answers import show_answers
from ichmonai.errors import InputError
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import ImageSource, Rejection, Series
from ichmonai.prediction import run as run_module
from ichmonai.prediction.folder import claimed
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.merge import merge_shards
from ichmonai.prediction.run import ResultsError, Summary
from ichmonai.prediction.steps import Answer
from ichmonai.prediction.writers import WRITERS
from tests.prediction.in_process import here, run
from tests.prediction.test_run import contents, table

OUTCOMES = ("positive", "negative", "no_prediction")


@pytest.fixture
def scans(volume) -> Path:
    for name in ("a", "b", "c"):
        folder = volume(name).parent
    (folder / "bad.nii.gz").write_bytes((folder / "a.nii.gz").read_bytes()[:-2000])
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_every_file_is_its_owners_alone(small_bundle, scans, out, tmp_path):
    modes, seen = {}, set()

    def engine(source, tasks):
        for pair in here(source, tasks):
            yield pair
            for path in out.rglob("*"):
                seen.add(path.name)
                modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0)
    try:
        run(small_bundle, [scans], out / "deep", engine, shard=(1, 1), formats=("csv", "jsonl"))
        run(small_bundle, [scans], out / "shards", shard=(1, 1))
    finally:
        os.umask(before)
    (out / "deep" / "journal.sqlite").chmod(0o644)  # as earlier versions made it
    run(small_bundle, [scans], out / "deep")
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"journal.sqlite", "run.json", "studies.csv", "studies.jsonl"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (out, out / "deep")} == {0o700}
    assert {mode for name, mode in modes.items() if name != "deep"} == {0o600}


def test_images_between_processes_are_their_owners_alone(tmp_path):
    import numpy as np

    from ichmonai.io.geometry import Geometry
    from ichmonai.prediction.steps import Prepared

    before = os.umask(0)
    try:
        geometry = Geometry(np.eye(4), np.eye(4), np.zeros(1))
        Prepared(np.zeros((1, 2, 2, 1), np.float32), {}, "", geometry).spill(tmp_path / "x.npy")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.npy").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_file(small_bundle, scans, out, tmp_path, monkeypatch, number):
    run(small_bundle, [scans], tmp_path / "whole")
    real = os.fsync
    for failing in range(4):
        calls = iter(range(100))

        def fsync(descriptor, failing=failing, calls=calls):
            if next(calls) == failing:
                raise OSError(number, os.strerror(number))
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(private_files.os, "fsync", fsync)
            with pytest.raises(ResultsError, match="start the run again"):
                run(small_bundle, [scans], out)
        assert not list(out.glob("*.partial"))
    assert run(small_bundle, [scans], out).resumed == 4
    assert contents(out) == contents(tmp_path / "whole")


def test_a_journal_that_cannot_be_written(small_bundle, scans, out, tmp_path, monkeypatch):
    run(small_bundle, [scans], tmp_path / "whole")
    for method in ("add_headers", "plan", "record", "end"):

        def fails(*_):
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, method, fails)
            with pytest.raises(ResultsError, match="start the run again"):
                run(small_bundle, [scans], out)
    run(small_bundle, [scans], out)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_journal_that_turns_out_damaged(small_bundle, scans, out, monkeypatch):
    def fails(*_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(Journal, "record", fails)
    with pytest.raises(ResultsError, match=r"is damaged .*remove it"):
        run(small_bundle, [scans], out)


def test_weights_that_change_during_a_run(small_bundle, scans, out):
    weights = small_bundle.root / "models" / "model.pt"
    before = weights.read_bytes()

    def engine(source, tasks):
        yield from here(source, tasks)
        weights.write_bytes(before + b"\0")

    try:
        with pytest.raises(InputError, match="changed during the run"):
            run(small_bundle, [scans], out, engine)
        assert not (out / "studies.csv").exists()
        with pytest.raises(InputError, match="other weights_sha256"):
            run(small_bundle, [scans], out)
    finally:
        weights.write_bytes(before)
    assert run(small_bundle, [scans], out).resumed == 0  # nothing is kept of what those weights may have said


def test_another_version_does_not_continue_a_run(small_bundle, scans, out, monkeypatch):
    run(small_bundle, [scans], out)
    monkeypatch.setattr(run_module, "__version__", "99")
    with pytest.raises(InputError, match=r"other version\)"):
        run(small_bundle, [scans], out)


def test_a_clock_that_goes_back(small_bundle, scans, out, tmp_path, monkeypatch):
    run(small_bundle, [scans], tmp_path / "whole")
    monkeypatch.setattr("ichmonai.io.contents.time.time_ns", lambda: 0)
    run(small_bundle, [scans], out)
    assert run(small_bundle, [scans], out).resumed == 4
    assert contents(out) == contents(tmp_path / "whole")


def test_shards_are_not_merged_while_one_runs_or_before_it_ended(small_bundle, scans, out):
    for i in (1, 2):
        run(small_bundle, [scans], out, shard=(i, 2))
    with claimed(out / "shard-1-of-2"), pytest.raises(InputError, match="Another run"):
        merge_shards(out, ["csv"])

    def stops(source, tasks):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        run(small_bundle, [scans], out, stops, shard=(2, 2))
    with pytest.raises(InputError, match="shard-2-of-2 did not end"):
        merge_shards(out, ["csv"])
    run(small_bundle, [scans], out, shard=(2, 2))
    merge_shards(out, ["csv"])
    record = json.loads((out / "run.json").read_text())
    rows = Counter(row["outcome"] for row in table(out / "studies.csv"))
    assert {name: record["counts"][name] for name in OUTCOMES} == {name: rows[name] for name in OUTCOMES}
    for text in ("{", "[]", '{"weights": ' + "[" * 100_000):
        (out / "shard-1-of-2" / "run.json").write_text(text)
        with pytest.raises(InputError, match=r"run\.json is damaged"):
            merge_shards(out, ["csv"])


def test_a_classification_that_fails_does_not_stop_the_others(small_bundle, scans, out, monkeypatch):
    from ichmonai.prediction import local
    from ichmonai.prediction.engines import make_engine

    real = local.classify

    def fails(bundle, series, prepared):
        if Path(series.series).name == "b.nii.gz":
            raise MemoryError
        return real(bundle, series, prepared)

    monkeypatch.setattr(local, "classify", fails)
    summary = run(small_bundle, [scans], out, make_engine("local", workers=1, timeout=60, classifies=True))
    assert (summary.failed, summary.positive + summary.negative) == (1, 2)


names = st.sampled_from("abcdef")
codes = st.sampled_from([Code.FAILED, Code.NOT_HU, Code.UNDECODABLE])
answers = st.one_of(
    st.sampled_from(OUTCOMES).map(lambda outcome: Answer(None, {"outcome": outcome, "p_ich": "0.5"}, content="0")),
    codes.map(lambda code: Answer(Finding(code, "So."), content="0")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.tuples(names, names), answers),
    st.lists(st.tuples(names, names | st.just(""), st.sampled_from([Code.LOCALIZER, Code.UNREADABLE]))),
)
def test_what_is_counted_is_what_the_tables_have(tmp_path, answered, refused):
    journal_file = tmp_path / "journal.sqlite"
    journal_file.unlink(missing_ok=True)
    journal = Journal(journal_file, {})
    rejections = [Rejection(study, name, "x.dcm", Finding(code, "So.")) for study, name, code in refused]
    journal.plan([Series(study, name, (ImageSource("x"),)) for study, name in answered], rejections)
    for (study, name), answer in answered.items():
        journal.record(Series(study, name, (ImageSource("x"),)), answer)
    summary = Summary(seconds={"total": 0.0})
    run_module.count(journal, summary)
    WRITERS["csv"](tmp_path).finish(journal, dry_run=False)
    journal.close()
    rows = Counter(row["outcome"] for row in table(tmp_path / "studies.csv"))
    assert {name: getattr(summary, name) for name in OUTCOMES} == {name: rows[name] for name in OUTCOMES}
    assert summary.rejected == Counter(row["code"] for row in table(tmp_path / "rejected.csv"))
    assert summary.failed == summary.rejected.get("failed", 0)
    console = Console(record=True, width=80, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    show_answers(console, summary, tmp_path)
    shown = console.export_text()
    for name in OUTCOMES:
        said = re.findall(rf"{name.replace('_', ' ')} (\d+)[,;]", shown)
        assert said == ([str(rows[name])] if rows[name] else [])
