"""An output of one's own: known by its name, and the same whether a run was stopped or not."""

import hashlib
import json
from pathlib import Path

import pytest

from ichmonai.errors import InputError
from ichmonai.prediction.bundle import InferenceBundle
from ichmonai.prediction.merge import merge_shards
from ichmonai.prediction.steps import Answer, describe, prepare
from ichmonai.prediction.writers import WRITERS, Writer, writer_classes
from tests.prediction.in_process import here, run


class Notes(Writer):
    """A file for every series, and one over all."""

    def write(self, series, answer):
        said = answer.finding.code.value if answer.finding else answer.study["p_ich"]
        file = self.folder / f"{Path(series.study).name}.note"
        file.write_text(f"{said} {[row['slice'] for row in answer.slices]}")

    def finish(self, journal, dry_run):
        path = self.folder / "notes.txt"
        path.write_text(f"{dry_run} {[row['study'] for row in journal.study_rows()]}")
        return [path]


@pytest.fixture
def scans(volume, monkeypatch):
    monkeypatch.setitem(WRITERS, "notes", Notes)
    for i in range(3):
        folder = volume(f"study{i}").parent
    damaged = volume("damaged")
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    return folder


def notes(folder):
    return {path.name: path.read_text() for path in (*folder.glob("*.note"), folder / "notes.txt")}


def test_a_continued_run_leaves_the_files_of_a_whole_one(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "whole", formats=("csv", "notes"))
    whole = notes(tmp_path / "whole")
    assert len(whole) == 5
    assert whole["damaged.nii.gz.note"] == "undecodable []"
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert record["tables"]["notes.txt"] == hashlib.sha256(whole["notes.txt"].encode()).hexdigest()

    def stops(source, tasks):
        yield next(here(source, tasks))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small_bundle, [scans], tmp_path / "out", stops, formats=("csv", "notes"))
    for file in (tmp_path / "out").glob("*.note"):
        file.unlink()  # as if it had been killed between the journal and the writer
    assert run(small_bundle, [scans], tmp_path / "out", formats=("csv", "notes")).resumed == 1
    assert notes(tmp_path / "out") == whole


def test_merged_shards_leave_the_files_of_a_whole_run(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "whole", formats=("notes",))
    for i in (1, 2):
        run(small_bundle, [scans], tmp_path / "out", shard=(i, 2))
    merge_shards(tmp_path / "out", ["notes"])
    assert notes(tmp_path / "out") == notes(tmp_path / "whole")


def planned(source, tasks):
    bundle = InferenceBundle(source)
    for series in tasks:
        prepared = prepare(bundle, series)
        yield series, prepared if isinstance(prepared, Answer) else describe(series, prepared)


def test_a_dry_run_has_no_answers_to_write(small_bundle, scans, tmp_path):
    run(small_bundle, [scans], tmp_path / "out", planned, formats=("notes",), dry_run=True)
    assert not list((tmp_path / "out").glob("*.note"))
    assert (tmp_path / "out" / "notes.txt").read_text().startswith("True")


def test_outputs_are_known_by_their_names():
    assert writer_classes(["parquet", "csv", "csv"]) == [WRITERS["parquet"], WRITERS["csv"]]
    with pytest.raises(InputError, match="sr is no output that is known; choose from csv, html, jsonl, masks, parquet"):
        writer_classes(["sr"])
