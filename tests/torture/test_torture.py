"""Over a thousand inputs that are damaged, hostile or of something else, in one run of the command."""

import csv
import json
import os
import sqlite3
import sys
import time
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from ichmonai.errors import printable
from ichmonai.io import ImageHeader, OtherFile, Rejection, scan
from ichmonai.io.findings import ACCEPTABLE, Code
from ichmonai.paths import bundle_root
from tests.small_model import write_model
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

MEMORY = 3 * 2**29
"""Bytes of resident memory, libraries included, that a process of the run may reach: importing alone takes 1 GB. Bombs,
and headers that lie, ask for more. The largest volume here that passes the checks of headers has 28 million voxels."""
LONGEST = 1000
"""Characters of a sentence: one that quotes a header or a traceback has more; one with the deepest path is excused."""


@dataclass
class Run:
    """What a run of the command left.

    Attributes:
        exit_code: of the command.
        errors: what it wrote on standard error.
        summary: what it wrote on standard output.
        studies: rows of the table.
        rejected: rows of the table.
        ends: by the place of an image, or of what was refused: codes, or PREDICTED.
        flags: by the place of a predicted image.
        digests: of the HU, by the place of a predicted image.
        headers: study, series and place of each image that was found.
        memory: peak in bytes, by process.
    """

    exit_code: int
    errors: str
    summary: dict
    studies: list[dict]
    rejected: list[dict]
    ends: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    flags: dict[str, set[str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    headers: set[tuple[str, str, str]] = field(default_factory=set)
    memory: dict[int, int] = field(default_factory=dict)

    def below(self, path: str) -> list[str]:
        """Places of a case that have an end."""
        return [place for place in self.ends if place == path or place.startswith(f"{path}/")]


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
    (root / "configs").mkdir()
    (root / "configs" / "inference.json").write_text((bundle_root() / "configs" / "inference.json").read_text())
    write_model(root / "models")
    return root


@pytest.fixture(scope="module")
def run(inputs: Inputs, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command on all inputs. Most cases are one slice, so that is accepted."""
    out = tmp_path_factory.mktemp("out")
    return _predict(bundle, out, ["--accept", Code.TOO_FEW_SLICES.value], inputs.given)


@pytest.fixture(scope="module")
def lenient(inputs: Inputs, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command on images of every kind, with every code accepted that can be, and every series taken."""
    out = tmp_path_factory.mktemp("lenient")
    accept = [word for code in ACCEPTABLE for word in ("--accept", code.value)]
    folders = [str(inputs.root / kind) for kind in ("studies", "objects", "enhanced", "arrays")]
    return _predict(bundle, out, [*accept, "--all-series"], folders)


def _predict(bundle: Path, out: Path, options: list[str], given: list[str]) -> Run:
    command = [sys.executable, "-m", "ichmonai", "predict", "--out", str(out), "--bundle", str(bundle)]
    command += [
        "--set",
        "runtime=torch",
        "--workers",
        "2",
        "--timeout",
        "120",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with (out / "stdout").open("wb") as answer, (out / "stderr").open("wb") as errors:
        process = psutil.Popen([*command, *options, "--", *given], env=environment, stdout=answer, stderr=errors)
        memory = _watch(process)
    text = (out / "stderr").read_text(errors="replace")
    assert (out / "rejected.csv").exists(), text
    run = Run(
        process.returncode,
        text,
        json.loads((out / "stdout").read_text()),
        _table(out / "studies.csv"),
        _table(out / "rejected.csv"),
        memory=memory,
    )
    for row in run.rejected:
        run.ends[row["path"]].add(row["code"])
    answers = {(row["study"], row["series"]): row for row in run.studies if row["outcome"] != "no_prediction"}
    with sqlite3.connect(out / "journal.sqlite") as journal:
        tasks = "SELECT study, series, tasks.request, code FROM tasks JOIN answers USING (study, series)"
        for study, series, request, code in journal.execute(tasks):
            assert code or (study, series) in answers
            for path, member, _ in json.loads(request)[0]:
                place = _place(path, member)
                run.ends[place].add(code or PREDICTED)
                if not code:
                    row = answers[study, series]
                    run.flags[place], run.digests[place] = set(row["flags"].split(";")), row["sha256"]
        for (record,) in journal.execute("SELECT record FROM headers"):
            header = ImageHeader.from_json(record)
            run.headers.add((header.study, header.series, _place(*header.source[:2])))
    return run


def _place(path: str, member: str) -> str:
    return printable(f"{path}/{member}" if member else path)


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


def test_there_are_enough(inputs):
    assert len(inputs.cases) > 300
    assert len({case.path for case in inputs.cases}) == len(inputs.cases)


@pytest.mark.parametrize("name", ["run", "lenient"])
def test_nothing_fails(request, name):
    run = request.getfixturevalue(name)
    assert [row for row in run.rejected if row["code"] == Code.FAILED.value] == []
    assert (run.exit_code, run.summary["failed"]) == (0, 0)
    assert run.summary["no_prediction"] == sum(row["outcome"] == "no_prediction" for row in run.studies)
    assert "Traceback" not in run.errors


def test_every_input_ends_as_it_should(run, inputs):
    wrong = {}
    for case in inputs.cases:
        path = printable(case.path)
        found = set().union(*(run.ends[place] for place in run.below(path)))
        if found - case.expected or not (found or OTHER in case.expected):
            wrong[path] = (found, case.expected)
    assert wrong == {}


def test_what_is_predicted_is_what_was_written(run, inputs):
    whole = {path: run.digests[next(iter(run.below(f"{inputs.root}/{path}")))] for path in _references(inputs)}
    wrong = {}
    for case in inputs.cases:
        found = {run.digests[place] for place in run.below(printable(case.path)) if place in run.digests}
        if case.shows and found - {whole[path] for path in case.shows}:
            wrong[case.path] = case.shows
    assert wrong == {}


def _references(inputs: Inputs) -> set[str]:
    return {path for case in inputs.cases for path in case.shows}


def test_an_answer_warns_of_what_is_missing(run, inputs):
    silent = [
        place
        for case in inputs.cases
        if case.warned
        for place in run.below(printable(case.path))
        if case.warned not in run.flags.get(place, case.warned)
    ]
    assert silent == []


def test_every_file_is_accounted_for(run, inputs):
    """All that lies below the root is an image with an answer, or rejected, or counted among other files."""
    found = list(scan(inputs.given, workers=1))
    images = {_place(*one.source[:2]) for one in found if isinstance(one, ImageHeader)}
    rejected = {one.path for one in found if isinstance(one, Rejection)}
    others = {printable(one.path) for one in found if isinstance(one, OtherFile)}
    # What was found is all in the journal and the tables, and nothing else is.
    assert images == {place for _, _, place in run.headers}
    assert rejected <= set(run.ends) <= images | rejected
    assert len([one for one in found if isinstance(one, OtherFile)]) == run.summary["other_files"] == len(others)
    # Each image belongs to a series that has an answer or a reason.
    told = {(row["study"], row["series"].split("#")[0]) for row in (*run.studies, *run.rejected)}
    assert {(study, series) for study, series, _ in run.headers} - told == set()
    # And what was found is all that is there, each in one way.
    assert {place.rpartition("/")[2] for place in images & rejected} == {"same.dcm"}  # twice in one archive
    assert not (images | rejected) & others
    expected = {printable(case.path) for case in inputs.cases if OTHER in case.expected}
    assert {path for path in others if ".zip/" not in path} == {path for path in expected if ".zip" not in path}
    lists = {path for path in map(printable, inputs.given) if path.endswith((".csv", "DICOMDIR"))}
    assert _files(inputs.root, rejected) - images - rejected - others - lists == set()


def _files(root: Path, unopened: set[str]) -> set[str]:
    """Every file below the root, but for second names of one; of archives that are opened, the members."""
    files = set()
    seen = set()
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = f"{folder}/{name}"
            state = os.lstat(path)
            # The second name, or a link to a file that is taken under its own.
            if (state.st_dev, state.st_ino) in seen or (Path(path).is_symlink() and Path(path).is_file()):
                continue
            seen.add((state.st_dev, state.st_ino))
            if not name.endswith(".zip") or printable(path) in unopened:
                files.add(printable(path))
                continue
            try:
                members = zipfile.ZipFile(path).infolist()
            except Exception:  # as many kinds as damages
                members = []
            files |= {_place(path, member.filename) for member in members if not member.is_dir()} or {printable(path)}
    return files


def test_sentences_are_for_people(run):
    for row in run.rejected:
        sentence = row["sentence"]
        assert sentence.isprintable(), sentence
        assert sentence.endswith("."), sentence
        assert len(sentence) < LONGEST + 2 * len(row["path"]), sentence
        # Neither tracebacks nor addresses in memory, which differ from run to run.
        assert not any(word in sentence for word in ("Traceback", 'File "', ".py", "(0x")), sentence


@pytest.mark.parametrize(("name", "least"), [("run", 300), ("lenient", 60)])
def test_studies_have_a_row_each(request, name, least):
    run = request.getfixturevalue(name)
    predicted = [row for row in run.studies if row["outcome"] != "no_prediction"]
    assert len(predicted) == run.summary["positive"] + run.summary["negative"] > least
    assert all(0 <= float(row["p_ich"]) <= 1 for row in predicted)


def test_what_is_accepted_refuses_nothing(run, lenient):
    accepted = {code.value for code in ACCEPTABLE}
    assert accepted <= set().union(*lenient.flags.values())
    # Colour, and values without a slope, cannot be read as HU whatever is accepted.
    assert {row["code"] for row in lenient.rejected} & accepted <= {Code.BURNED_IN.value, Code.NOT_HU.value}
    # And nothing that was answered before is refused.
    assert {place for place in run.digests if place in lenient.ends} <= set(lenient.digests)


@pytest.mark.parametrize("name", ["run", "lenient"])
def test_bombs_do_not_go_off_in_memory(request, name):
    run = request.getfixturevalue(name)
    assert len(run.memory) >= 3
    assert max(run.memory.values()) < MEMORY
