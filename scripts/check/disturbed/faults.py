"""Faults of a machine, of a disk and of people, a run each."""

import csv
import errno
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from scripts.check.disturbed.runs import Bench, answers, children, stop, tables_equal, wait_for, workers

Rows = Iterator[dict]
_SENTENCE = re.compile(r"^ichmonai: [^\n]{20,700}\.$", re.MULTILINE)


def _after(bench: Bench, whole: Path, out: Path, process: psutil.Popen, family: list[psutil.Process], **more) -> dict:
    """What a disturbed run left, and whether the next one gives the tables of a whole run."""
    code = process.wait()
    row = {**more, "exit_code": code, **bench.left(family)}
    said = bench.said(out).read_text(errors="replace") if bench.said(out).exists() else ""
    told = _SENTENCE.search(said)
    sentence = told[0] if told else _failed(out)
    row["said"] = (sentence or said.strip()[-200:]).replace(str(bench.root), "")
    at_once = code == 0 and tables_equal(whole, out)
    begun = out.exists()
    # Not that: a table of a run that says it is whole, and is not; or an end without a sentence, unless killed,
    # or interrupted before it had begun.
    if "Traceback" in said or (code == 0 and not at_once) or (code > 0 and not sentence and begun):
        row["wrong"] = "it ended with neither the tables nor one sentence"
    before = answers(out)
    row["tables_equal_at_once"] = at_once
    row["next_exit_code"] = 0 if at_once else bench.finish(out)
    found = answers(out)
    row["answers_lost_or_made_twice"] = sum(found.get(series) != number for series, number in before.items())
    row["tables_equal"] = tables_equal(whole, out)
    shutil.rmtree(out, ignore_errors=True)
    bench.said(out).unlink(missing_ok=True)
    return row


def _failed(out: Path) -> str:
    """What the table of rejections says of a series that a run could not end, and that the next tries again."""
    table = out / "rejected.csv"
    if not table.is_file():
        return ""
    with table.open(newline="", encoding="utf-8") as file:
        return next((row["sentence"] for row in csv.DictReader(file) if row["code"] == "failed"), "")


def _signals(*signals: signal.Signals, early: bool) -> Callable[[Bench, Path], Rows]:
    def run(bench: Bench, whole: Path) -> Rows:
        out = bench.root / "signalled"
        process = bench.start(out)
        if early:
            time.sleep(3)
        else:
            wait_for(lambda: bool(answers(out)), process)
        family = stop(process, signals)
        yield _after(bench, whole, out, process, family, detail="starting" if early else "working")

    return run


def _stopped_worker(bench: Bench, whole: Path) -> Rows:
    """A worker that stands still has to be given up after the time that a series may take."""
    out = bench.root / "stopped"
    process = bench.start(out, "--timeout", "8")
    wait_for(lambda: bool(answers(out)), process)
    still = workers(process)[:1]
    for one in still:
        one.suspend()
    family = children(process, recursive=True)
    process.wait()
    yield _after(bench, whole, out, process, family, detail=f"{len(still)} worker")


def _stopped_run(bench: Bench, whole: Path) -> Rows:
    """A whole run that stands still for a while, as a laptop does that sleeps."""
    out = bench.root / "slept"
    process = bench.start(out)
    wait_for(lambda: bool(answers(out)), process)
    family = children(process, recursive=True)
    for one in (process, *family):
        one.suspend()
    time.sleep(5)
    for one in (*family, process):
        one.resume()
    yield _after(bench, whole, out, process, family, detail="5 s")


def _shim(bench: Bench) -> str:
    library = bench.root / "faults.so"
    if not library.exists():
        source = Path(__file__).with_name("faults.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)


def _disk(code: int, *cases: tuple[str, int]) -> Callable[[Bench, Path], Rows]:
    """Writes to files whose path has a part fail from a number on."""

    def run(bench: Bench, whole: Path) -> Rows:
        for match, first in cases:
            out = bench.root / "disk"
            faults = {"FAULT_MATCH": match, "FAULT_ERRNO": str(code), "FAULT_FROM": str(first)}
            process = bench.start(out, environment={"LD_PRELOAD": _shim(bench), **faults})
            family = _family(process, out)
            yield _after(bench, whole, out, process, family, detail=f"{match}, from write {first} on")

    return run


def _family(process: psutil.Popen, out: Path) -> list[psutil.Process]:
    """What a run starts, as far as it can be seen; it is at work, or has ended, afterwards."""
    wait_for(lambda: bool(workers(process)) or bool(answers(out)), process)
    return children(process, recursive=True)


def _environment(detail: str, **variables: str) -> Callable[[Bench, Path], Rows]:
    def run(bench: Bench, whole: Path) -> Rows:
        out = bench.root / "environment"
        process = bench.start(out, environment={"LD_PRELOAD": _shim(bench), **variables})
        yield _after(bench, whole, out, process, _family(process, out), detail=detail)

    return run


def _full_disk(bench: Bench, whole: Path) -> Rows:
    """A disk of its own that fills up while the run works; only where this user may mount one."""
    for place in ("results", "temporary files"):
        disk = bench.root / "small"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=260m", "none", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            yield {"detail": f"{place}: not run, no disk can be mounted here"}
            disk.rmdir()
            continue
        out = disk / "out" if place == "results" else bench.root / "full"
        try:
            environment = {} if place == "results" else {"TMPDIR": str(disk)}
            process = bench.start(out, environment=environment)
            wait_for(lambda: bool(answers(out)), process)  # noqa: B023
            family = children(process, recursive=True)
            with (disk / "filler").open("wb") as filler:
                try:
                    while True:
                        filler.write(bytes(2**16))
                        filler.flush()
                except OSError:
                    pass
            process.wait()
            (disk / "filler").unlink()
            yield _after(bench, whole, out, process, family, detail=place)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
            disk.rmdir()


def _two_runs(bench: Bench, whole: Path) -> Rows:
    out = bench.root / "twice"
    process = bench.start(out)
    wait_for((out / "journal.sqlite").exists, process)
    process.suspend()  # or it could end before the second has begun
    second = bench.start(out).wait()
    process.resume()
    text = bench.said(out).read_text(errors="replace")
    row = _after(bench, whole, out, process, [], detail=f"the second ends with {second}")
    yield row if second == 2 and "Another run" in text else {**row, "wrong": "the second run went on"}


def _inputs(change: str) -> Callable[[Bench, Path], Rows]:
    """The last input is removed, or gets the content of another, while the run works; afterwards it is as before."""

    def run(bench: Bench, whole: Path) -> Rows:
        out, victim = bench.root / "inputs-changed", bench.volumes[-1]
        content = victim.read_bytes()
        process = bench.start(out)
        wait_for(lambda: bool(answers(out)), process)
        try:
            if change == "removed":
                victim.unlink()
            else:
                victim.write_bytes(content[: len(content) // 2] if change == "cut off" else _other(content))
            family = children(process, recursive=True)
            code = process.wait()
        finally:
            victim.write_bytes(content)
        row = {"detail": change, "exit_code": code, **bench.left(family)}
        row["next_exit_code"] = bench.finish(out)
        row["tables_equal"] = tables_equal(whole, out)
        shutil.rmtree(out)
        yield row

    return run


def _other(content: bytes) -> bytes:
    """Another image of the same size: the slices from a third on are those of the beginning."""
    third = 352 + (len(content) - 352) // 3 // 2 * 2
    return (content[:third] + content[352:])[: len(content)]


def _other_identity(bench: Bench, whole: Path) -> Rows:
    """Other weights, or another version, than those of the answers that are there."""
    for kind in ("weights", "version"):
        out = bench.root / "identity"
        shutil.copytree(whole, out)
        weights = bench.root / "bundle" / "models" / "model.pt"
        kept = weights.read_bytes()
        if kind == "weights":
            weights.write_bytes(_other_weights(kept))
        else:
            with sqlite3.connect(out / "journal.sqlite") as connection:
                connection.execute("UPDATE identity SET record = json_set(record, '$.version', '0.0.0')")
        code = bench.finish(out)
        said = bench.said(out).read_text(errors="replace")
        weights.write_bytes(kept)
        sentence = _SENTENCE.search(said)
        kept_tables = tables_equal(whole, out)
        row = {"detail": kind, "exit_code": code, "said": sentence[0].replace(str(bench.root), "") if sentence else ""}
        yield {**row, "tables_equal": kept_tables, **({} if code and sentence else {"wrong": said[-200:]})}
        shutil.rmtree(out)
        bench.said(out).unlink()


def _other_weights(content: bytes) -> bytes:
    import io

    import torch

    state = torch.load(io.BytesIO(content), weights_only=True)
    buffer = io.BytesIO()
    torch.save({name: value + 0.01 if value.is_floating_point() else value for name, value in state.items()}, buffer)
    return buffer.getvalue()


_JOURNAL = tuple(("journal.sqlite", number) for number in (1, 4, 12, 30, 60))
_TABLES = (("studies.csv", 1), ("slices.csv", 1), ("slices.csv", 3), ("rejected.csv", 1), ("run.json", 1))

FAULTS: dict[str, Callable[[Bench, Path], Rows]] = {
    "SIGTERM": _signals(signal.SIGTERM, early=False),
    "SIGTERM, starting": _signals(signal.SIGTERM, early=True),
    "SIGINT": _signals(signal.SIGINT, early=False),
    "SIGINT, starting": _signals(signal.SIGINT, early=True),
    "SIGINT, twice": _signals(signal.SIGINT, signal.SIGINT, early=False),
    "SIGHUP": _signals(signal.SIGHUP, early=False),
    "SIGSTOP of a worker": _stopped_worker,
    "SIGSTOP and SIGCONT of all": _stopped_run,
    "ENOSPC": _disk(errno.ENOSPC, *_JOURNAL, *_TABLES),
    "EIO": _disk(errno.EIO, *_JOURNAL[1:4], *_TABLES[:2]),
    "disk that fills up": _full_disk,
    "slow disk": _environment("40 ms for each write of results", FAULT_MATCH="environment", FAULT_DELAY="40"),
    "clock jumps": _environment("a day on and back each second", FAULT_CLOCK="86400"),
    "clock jumps back": _environment("a year back and on each second", FAULT_CLOCK=str(-365 * 86400)),
    "two runs on one folder": _two_runs,
    "an input is removed": _inputs("removed"),
    "an input is cut off": _inputs("cut off"),
    "an input is replaced": _inputs("replaced"),
    "another identity": _other_identity,
}
"""Faults by name."""
