import csv
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from ichmonai import private_files
from ichmonai.errors import InputError
from ichmonai.prediction import folder as folder_module
from ichmonai.prediction.engines import make_engine
from ichmonai.prediction.merge import merge_shards
from ichmonai.prediction.run import BatchOptions, ResultsError, run_batch
from ichmonai.prediction.steps import Answer

TABLES = ("studies.csv", "slices.csv", "rejected.csv")


class Silent:
    """Counts instead of drawing."""

    done = 0

    def found(self, images):
        pass

    def planned(self, series, done):
        self.series, self.resumed = series, done

    def answered(self):
        self.done += 1


def run(source, inputs, out, engine=None, progress=None, **options):
    engine = engine or make_engine("local", workers=2, timeout=30, classifies=not options.get("dry_run"))
    return run_batch(inputs, out, source, engine, BatchOptions(**options), progress or Silent())


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {name: (folder / name).read_text() for name in TABLES}


def fail_with(number):
    """A call of the system that fails."""

    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    return fails


@pytest.fixture
def scans(volume) -> Path:
    """Nine volumes, one of them without end and one without a header, and a text file."""
    for i in range(7):
        folder = volume(f"study{i}").parent
    damaged = volume("damaged")
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    headless = volume("headless")
    headless.write_bytes(headless.read_bytes()[:100])
    (folder / "readme.txt").write_text("no image")
    return folder


def test_every_input_is_accounted_for(small_bundle, scans, tmp_path):
    summary = run(small_bundle, [scans], tmp_path / "out")
    studies, slices, rejected = (table(tmp_path / "out" / name) for name in TABLES)
    predicted = [row for row in studies if row["outcome"] != "no_prediction"]
    assert {Path(row["study"]).name for row in predicted} == {f"study{i}.nii.gz" for i in range(7)}
    assert {(Path(row["path"]).name, row["code"]) for row in rejected} == {
        ("damaged.nii.gz", "undecodable"), ("headless.nii.gz", "unreadable"),
    }  # fmt: skip
    assert len(slices) == 7 * 12
    assert (summary.positive + summary.negative, summary.failed, summary.other_files) == (7, 0, 1)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "not for clinical use" in record["notice"]
    assert len(record["weights"]["sha256"]) == len(record["config_sha256"]) == 64
    assert record["counts"]["series"] == summary.series
    assert record["settings"] == {"device": "cpu", "batch_size": 8, "runtime": "torch", "precision": "fp32"}
    assert {"discover", "predict", "write", "total", "work_read", "work_infer"} <= record["seconds"].keys()


def test_the_worklist_is_ordered_by_score(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "out")
    scores = [float(row["p_ich"]) for row in table(tmp_path / "out" / "studies.csv") if row["p_ich"]]
    assert scores == sorted(scores, reverse=True)


def test_a_stopped_run_continues_and_does_nothing_twice(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "whole")
    whole = make_engine("local", workers=2, timeout=30, classifies=True)

    def stops(source, tasks):
        for i, pair in enumerate(whole(source, tasks)):
            if i == 3:
                raise KeyboardInterrupt
            yield pair

    with pytest.raises(KeyboardInterrupt):
        run(small_bundle, [scans], tmp_path / "out", engine=stops)
    progress = Silent()
    summary = run(small_bundle, [scans], tmp_path / "out", progress=progress)
    assert (summary.resumed, progress.resumed) == (3, 3)
    assert progress.done == progress.series - 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_stopped_run_continues_on_the_runtime_that_it_began_with(small_bundle, scans, tmp_path):
    source = replace(small_bundle, settings={**small_bundle.settings, "runtime": "auto"})
    asked = []

    def stops(source, tasks):
        asked.append(source.settings["runtime"])
        yield next(iter(tasks)), Answer(runtime={"runtime": "onnxruntime"})
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(source, [scans], tmp_path / "out", engine=stops)
    assert asked == ["auto", "onnxruntime"]


def test_a_continued_run_does_not_say_that_its_runtime_was_asked_for(small_bundle, scans, tmp_path):
    source = replace(small_bundle, settings={**small_bundle.settings, "runtime": "auto"})

    def stops(source, tasks):
        yield next(iter(tasks)), Answer(runtime={"runtime": "torch"})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, [scans], tmp_path / "out", engine=stops)
    (choice,) = run(source, [scans], tmp_path / "out").runtimes
    assert (choice["runtime"], choice["precision"]) == ("torch", "fp32")
    assert choice["reason"].startswith("an earlier run gave its answers on it")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["runtimes"] == [choice]
    (asked,) = run(
        replace(source, settings=source.settings | {"runtime": "torch"}), [scans], tmp_path / "asked"
    ).runtimes
    assert asked["reason"] == "it was asked for"


@pytest.mark.slow
def test_killed_at_any_moment_the_tables_come_out_the_same(small_bundle, scans, tmp_path):
    command = [sys.executable, "-m", "ichmonai", "predict", str(scans), "--bundle", str(small_bundle.root)]
    command += ["--workers", "2", "--quiet", "--trust"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    temporary = tempfile.mkdtemp()  # with a short name, since sockets are made there
    environment["TMPDIR"] = temporary

    def start(out):
        return subprocess.Popen([*command, "--out", str(out)], env=environment, start_new_session=True)

    began = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    lasts = time.monotonic() - began
    for share in (0.5, 0.75, 0.9):
        process = start(tmp_path / "out")
        time.sleep(lasts * share)
        process.kill()
        process.wait()
    assert start(tmp_path / "out").wait() == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert list(Path(temporary).glob("ichmonai-*/*")) == []  # images of patients
    shutil.rmtree(temporary)


def test_shards_together_give_the_tables_of_one_run(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "whole")
    for i in (1, 2, 3):
        run(small_bundle, [scans], tmp_path / "out", shard=(i, 3))
    shares = [len(table(tmp_path / "out" / f"shard-{i}-of-3" / "studies.csv")) for i in (1, 2, 3)]
    assert max(shares) < sum(shares)
    assert merge_shards(tmp_path / "out", ["csv"]) == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    shutil.rmtree(tmp_path / "out" / "shard-2-of-3")
    with pytest.raises(InputError, match="shard-2-of-3"):
        merge_shards(tmp_path / "out", ["csv"])


def test_other_weights_or_options_do_not_continue_a_run(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "out")
    with pytest.raises(InputError, match="config_sha256"):
        run(replace(small_bundle, settings={**small_bundle.settings, "threshold": 0.1}), [scans], tmp_path / "out")
    with pytest.raises(InputError, match="accept"):
        run(
            replace(small_bundle, settings={**small_bundle.settings, "accept": ["contrast"]}),
            [scans],
            tmp_path / "out",
        )
    with pytest.raises(InputError, match="all_series"):
        run(small_bundle, [scans], tmp_path / "out", all_series=True)


def test_what_cannot_be_accepted_is_said(small_bundle, scans, tmp_path):
    for code in ("unreadable", "no such code"):
        source = replace(small_bundle, settings={**small_bundle.settings, "accept": [code]})
        with pytest.raises(InputError, match=f"{code} cannot be accepted"):
            run(source, [scans], tmp_path / "out")


def test_a_dry_run_lists_what_would_be_predicted(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "out", dry_run=True)
    assert {Path(row["study"]).name for row in table(tmp_path / "out" / "plan.csv")} >= {"study0.nii.gz"}
    assert len(table(tmp_path / "out" / "rejected.csv")) == 2
    assert not (tmp_path / "out" / "studies.csv").exists()
    run(small_bundle, [scans], tmp_path / "out")  # the real run can use the same folder


def test_all_formats_hold_the_same(small_bundle, scans, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    run(small_bundle, [scans], tmp_path / "out", formats=("csv", "jsonl", "parquet"))
    lines = [json.loads(line) for line in (tmp_path / "out" / "studies.jsonl").read_text().splitlines()]
    rows = table(tmp_path / "out" / "studies.csv")
    assert parquet.read_table(tmp_path / "out" / "studies.parquet").to_pylist() == lines
    assert [row["study"] for row in rows] == [line["study"] for line in lines]
    assert [float(row["p_ich"]) if row["p_ich"] else None for row in rows] == [line["p_ich"] for line in lines]
    assert all(isinstance(line["slices"], int) for line in lines if line["p_ich"] is not None)


def test_a_second_run_waits_its_turn(small_bundle, scans, tmp_path):
    with folder_module.claimed(tmp_path / "out"), pytest.raises(InputError, match="Another run"):
        run(small_bundle, [scans], tmp_path / "out")


def test_a_folder_that_cannot_take_results_is_said_at_once(small_bundle, scans, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write to"):
        run(small_bundle, [scans], tmp_path / "file" / "out")
    usage = namedtuple("usage", "total used free")
    for full in (tmp_path / "out", Path(tempfile.gettempdir())):
        room = {full: 1}
        monkeypatch.setattr(
            folder_module.shutil, "disk_usage", lambda path, room=room: usage(0, 0, room.get(path, 2**30))
        )
        with pytest.raises(InputError, match=f"^{full} has 0 MB free"):
            run(small_bundle, [scans], tmp_path / "out")


def test_a_disk_that_fills_up_is_one_sentence_and_the_run_can_continue(small_bundle, scans, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(private_files.os, "fsync", fail_with(errno.ENOSPC))
        with pytest.raises(ResultsError, match="make room"):
            run(small_bundle, [scans], tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.partial"))
    assert run(small_bundle, [scans], tmp_path / "out").resumed == 8


def test_no_patient_name_is_logged(small_bundle, scans, tmp_path, caplog):
    run(small_bundle, [scans], tmp_path / "out")
    assert "study0" not in caplog.text
