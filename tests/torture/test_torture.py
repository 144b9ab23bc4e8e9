"""Over a thousand inputs that are damaged, hostile or of something else, in one run of the command."""

import csv
import json
import os
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from ichmonai.errors import printable
from ichmonai.io.findings import Code
from ichmonai.networks import DTViT
from ichmonai.paths import bundle_root
from tests.torture.archive_cases import write_archive_cases
from tests.torture.cases import OTHER, PREDICTED, Inputs
from tests.torture.dicom_cases import write_dicom_cases
from tests.torture.file_cases import write_file_cases
from tests.torture.picture_cases import write_picture_cases
from tests.torture.study_cases import write_study_cases
from tests.torture.volume_cases import write_volume_cases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the file system of this platform has no pipes"),
]

MEMORY = 2 * 2**30
"""Bytes that a process of the run may take at its peak: what importing takes, and as much again. Bombs take more."""
LONGEST = 1000
"""Characters of a sentence: one that quotes a header or a traceback has more; one with the deepest path is excused."""


@dataclass
class Run:
    """What a run of the command left."""

    exit_code: int
    errors: str
    summary: dict
    studies: list[dict]
    rejected: list[dict]
    ends: dict[str, set[str]]  # of each image's place, and of what was refused: the codes, or PREDICTED
    seen: set[str]  # files of which the headers were read
    memory: dict[int, int]  # by process


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Every case, written below a folder."""
    inputs = Inputs(tmp_path_factory.mktemp("torture"))
    for write in (
        write_dicom_cases, write_volume_cases, write_picture_cases, write_archive_cases, write_file_cases,
        write_study_cases,
    ):  # fmt: skip
        write(inputs)
    return inputs


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's inference, with timm's smallest vision transformer."""
    root = tmp_path_factory.mktemp("bundle")
    for name in ("configs", "models"):
        (root / name).mkdir()
    (root / "configs" / "inference.json").write_text((bundle_root() / "configs" / "inference.json").read_text())
    torch.manual_seed(0)
    torch.save(DTViT("test_vit", pretrained=False, image_size=32).state_dict(), root / "models" / "model.pt")
    return root


@pytest.fixture(scope="module")
def run(inputs: Inputs, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command on all inputs. Most cases are one slice, so that is accepted."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "ichmonai", "predict", "--out", str(out), "--bundle", str(bundle)]
    command += ["--set", "backbone=test_vit", "--set", "image_size=32", "--workers", "2", "--timeout", "120", "--json"]
    command += ["--accept", Code.TOO_FEW_SLICES.value]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with (out / "stdout").open("wb") as answer, (out / "stderr").open("wb") as errors:
        process = psutil.Popen([*command, "--", *inputs.given], env=environment, stdout=answer, stderr=errors)
        memory = _watch(process)
    text = (out / "stderr").read_text(errors="replace")
    assert (out / "rejected.csv").exists(), text
    ends, seen = _ends(out)
    return Run(
        process.returncode,
        text,
        json.loads((out / "stdout").read_text()),
        _table(out / "studies.csv"),
        _table(out / "rejected.csv"),
        ends,
        seen,
        memory,
    )


def _watch(process: psutil.Popen) -> dict[int, int]:
    """The peak memory of a process and of all that it starts."""
    peaks: dict[int, int] = {}
    while process.poll() is None:
        try:
            for one in (process, *process.children(recursive=True)):
                peaks[one.pid] = max(peaks.get(one.pid, 0), _peak(one))
        except (psutil.Error, OSError):  # one has ended
            pass
        time.sleep(0.2)
    return peaks


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return process.memory_info().rss
    # A process that has ended has no such line.
    return max((int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if "VmHWM" in line), default=0)


def _table(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _ends(out: Path) -> tuple[dict[str, set[str]], set[str]]:
    ends: dict[str, set[str]] = {}
    studies = _table(out / "studies.csv")
    answered = {(row["study"], row["series"]) for row in studies if row["outcome"] != "no_prediction"}
    for row in _table(out / "rejected.csv"):
        ends.setdefault(row["path"], set()).add(row["code"])
    with sqlite3.connect(out / "journal.sqlite") as journal:
        tasks = "SELECT study, series, images, code FROM tasks JOIN answers USING (study, series, images)"
        for study, series, images, code in journal.execute(tasks):
            assert code or (study, series) in answered
            for path, member, _ in json.loads(images):
                ends.setdefault(printable(f"{path}/{member}" if member else path), set()).add(code or PREDICTED)
        seen = {json.loads(record)["location"][0] for (record,) in journal.execute("SELECT record FROM headers")}
    return ends, seen


def test_there_are_enough(inputs):
    assert len(inputs.cases) > 300
    assert len({case.path for case in inputs.cases}) == len(inputs.cases)


def test_nothing_fails(run):
    assert [row for row in run.rejected if row["code"] == Code.FAILED.value] == []
    assert (run.exit_code, run.summary["failed"]) == (0, 0)


def test_every_input_ends_as_it_should(run, inputs):
    wrong = {}
    for case in inputs.cases:
        path = printable(case.path)
        below = (codes for place, codes in run.ends.items() if place == path or place.startswith(f"{path}/"))
        found = set().union(*below)
        if found - case.expected or not (found or OTHER in case.expected):
            wrong[path] = (found, case.expected)
    assert wrong == {}


def test_no_file_is_passed_over(run, inputs):
    accounted = run.seen | set(run.ends)
    whole = {os.path.realpath(path) for path in run.seen}
    others = {case.path for case in inputs.cases if OTHER in case.expected}
    lost = []
    for folder, _, names in os.walk(inputs.root):
        for name in names:
            path = f"{folder}/{name}"
            if path in accounted or printable(path) in accounted or os.path.realpath(path) in whole or path in others:
                continue
            if path in inputs.given or name == "DICOMDIR" or Path(path).stat().st_nlink > 1:
                continue  # lists, of which every line is accounted for, and the second name of a file
            if not any(place.startswith(f"{printable(path)}/") for place in accounted):
                lost.append(path)
    assert lost == []


def test_sentences_are_for_people(run):
    for row in run.rejected:
        sentence = row["sentence"]
        assert sentence.isprintable(), sentence
        assert sentence.endswith("."), sentence
        assert len(sentence) < LONGEST + 2 * len(row["path"]), sentence
        # Neither tracebacks nor addresses in memory, which differ from run to run.
        assert not any(word in sentence for word in ("Traceback", 'File "', ".py", "(0x")), sentence
    assert "Traceback" not in run.errors


def test_studies_have_a_row_each(run):
    predicted = [row for row in run.studies if row["outcome"] != "no_prediction"]
    assert len(predicted) == run.summary["positive"] + run.summary["negative"] > 50
    assert all(0 <= float(row["p_ich"]) <= 1 for row in predicted)


def test_bombs_do_not_go_off_in_memory(run):
    assert len(run.memory) >= 3
    assert max(run.memory.values()) < MEMORY
