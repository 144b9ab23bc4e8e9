"""Disturb `ichmonai predict` in every way that a machine does, and compare its tables with those of a run left alone.

Phantom studies, one of them with a damaged file; the bundle's inference with timm's smallest vision transformer and
random weights. There are two parts:

- Kills: one run is started again and again on the same folder. While it works, a worker, all workers or the process
  that workers are forked from is killed (SIGKILL, which nothing can catch), and at a random moment the run itself.
  After each kill of the run, every process of it has to end by itself, and to remove its temporary files. At the end
  the tables have to be equal byte for byte, and no answer may have been made twice: it would have a new row.
- Faults (`disturbed.faults`), a run each: signals, full and failing and slow disks, a clock that jumps, two runs on one
  folder, inputs that change, other weights. The tables have to be equal, or the run ends with one sentence and an exit
  code, and the next one gives them.

    python -m scripts.check.kills --kills 100 --out scripts/results/check_kills.csv
"""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from ichmonai import __version__
from ichmonai.tables import write_csv
from scripts.bench.machine import machine
from scripts.check.disturbed.faults import FAULTS
from scripts.check.disturbed.runs import Bench, answers, children, fork_server, tables_equal, wait_for, workers

INNER = ("one worker", "all workers", "fork server")
"""What is killed while the run goes on, one kind in each start."""


def kills(bench: Bench, whole: Path, number: int, chance: random.Random, starts: float) -> Iterator[dict]:
    """Kill a run until it was hit so many times, then let it end."""
    out = bench.root / "killed"
    known: dict[str, int] = {}
    kinds = itertools.cycle(INNER)
    done = 0
    while done < number:
        began, kind = time.monotonic(), next(kinds)
        process = bench.start(out)
        hits = {"main": 1}
        if chance.random() < 0.35:  # anywhere up to the first answer
            time.sleep(chance.uniform(0, starts))
        elif wait_for(lambda: len(answers(out)) > len(known), process):  # noqa: B023
            for _ in range(12):
                hits[kind] = hits.get(kind, 0) + _hit(process, kind)
                time.sleep(chance.uniform(0, 1))
        if process.poll() is not None:
            said = bench.said(out).read_text(errors="replace")[-2000:]
            raise SystemExit(f"The run ended by itself ({process.returncode}, {len(answers(out))} answers): {said}")
        family = children(process, recursive=True)
        process.kill()
        process.wait()
        after = time.monotonic() - began
        found = answers(out)
        wrong = sum(found.get(series) != row for series, row in known.items())
        done += sum(hits.values())
        yield {
            "fault": "SIGKILL: " + ", ".join(f"{count} x {name}" for name, count in hits.items()),
            "after_s": f"{after:.1f}",
            "answered_before": len(known),
            "answered_after": len(found),
            "answers_lost_or_made_twice": wrong,
            **bench.left(family),
        }
        known = found
    code = bench.finish(out)
    found = answers(out)
    yield {
        "fault": f"none: the run to the end, after {done} SIGKILL",
        "answered_before": len(known),
        "answered_after": len(found),
        "answers_lost_or_made_twice": sum(found.get(series) != row for series, row in known.items()),
        "exit_code": code,
        "tables_equal": tables_equal(whole, out),
    }


def _hit(process: psutil.Process, kind: str) -> int:
    """Kill processes of a kind; the number of them."""
    found = [fork_server(process)] if kind == "fork server" else workers(process)
    found = [one for one in found if one is not None][: 1 if kind != "all workers" else None]
    for one in found:
        try:
            one.kill()
        except psutil.Error:  # it has ended meanwhile
            continue
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--studies", type=int, default=400, help="volumes, and a tenth as many DICOM series")
    parser.add_argument("--size", type=int, default=96, help="pixels along each side of a slice")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS), metavar="FAULT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="csv to write")
    arguments = parser.parse_args()
    rows: list[dict] = []
    told = {"seed": arguments.seed, "version": __version__, "python": sys.version.split()[0], "machine": machine()}

    def add(row: dict) -> None:
        print(*(f"{name} {value}" for name, value in row.items()), sep="; ", flush=True)
        rows.append({**row, **told})
        if arguments.out:
            write_csv(arguments.out, dict.fromkeys(name for row in rows for name in row), rows)

    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        if arguments.faults:
            bench = Bench(Path(temporary, "faults"), 12, arguments.size)
            whole = bench.root / "whole"
            bench.finish(whole)
            for name in arguments.faults:
                for row in FAULTS[name](bench, whole):
                    add({"fault": name, **row})
        if arguments.kills:
            bench = Bench(Path(temporary, "kills"), arguments.studies, arguments.size)
            began, whole = time.monotonic(), bench.root / "whole"
            process = bench.start(whole)
            wait_for(lambda: bool(answers(whole)), process)
            starts = time.monotonic() - began
            if process.wait() or not answers(whole):
                sys.exit("The run that is left alone fails, or answers nothing.")
            for row in kills(bench, whole, arguments.kills, random.Random(arguments.seed), starts):
                add(row)
    sys.exit(any(_wrong(row) for row in rows))


def _wrong(row: dict) -> bool:
    counts = ("answers_lost_or_made_twice", "processes_left", "temporary_files_left")
    return any(row.get(name) for name in counts) or row.get("tables_equal") is False or bool(row.get("wrong"))


if __name__ == "__main__":
    main()
