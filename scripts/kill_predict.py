"""Kill `ichmonai predict` again and again, and compare its tables with those of a run that is left alone.

Phantom studies, one of them with a damaged file; the bundle's inference with timm's smallest vision transformer and
random weights. The run is started, killed at a random moment (SIGKILL, which nothing can catch) and started again on
the same folder. Half of the moments are anywhere up to the first answer, the others within a while after an answer was
written, since those would be rare otherwise. After each kill, every process of the run has to end by itself, and to
remove its temporary files. At the end the tables have to be equal byte for byte, and no answer may have been made
twice: it would have a new row in the journal.

    python scripts/kill_predict.py --kills 20 --out scripts/results/kill_predict.csv
"""

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import psutil
from phantom_archive import write_archive, write_bundle

from ichmonai.outputs.tables import write_csv

TABLES = ("studies.csv", "slices.csv", "rejected.csv")
PATIENCE = 60.0
"""Seconds in which what a killed run has started has to end: it may be importing."""


def start(inputs: Path, bundle: Path, settings: dict, out: Path) -> psutil.Popen:
    command = [sys.executable, "-P", "-m", "ichmonai", "predict", str(inputs), "--out", str(out)]
    command += ["--bundle", str(bundle)]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(out.parent)}
    return psutil.Popen([*command, "--device", "cpu", "--workers", "2", "--quiet"], env=environment)


def answers(out: Path) -> dict[str, int]:
    """Row of the answer to each series: an answer that is made again gets another."""
    try:
        with sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as connection:
            return dict(connection.execute("SELECT series, rowid FROM answers"))
    except sqlite3.OperationalError:  # there is no journal yet, or nothing in it
        return {}


def kill(process: psutil.Popen) -> int:
    """End a run, and count the processes that outlive it."""
    family = process.children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    return sum(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in alive)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--size", type=int, default=96, help="pixels along each side of a slice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="csv to write")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    rows = []
    with tempfile.TemporaryDirectory(prefix="kill-") as temporary:
        inputs, whole, out = (Path(temporary, name) for name in ("inputs", "whole", "out"))
        write_archive(inputs, arguments.studies, arguments.size)
        next(inputs.rglob("*.dcm")).write_bytes(b"damaged")
        bundle = Path(temporary, "bundle")
        settings = write_bundle(bundle, "test_vit", 32, runtime="torch")
        began = time.monotonic()
        process = start(inputs, bundle, settings, whole)
        while not answers(whole) and process.poll() is None:
            time.sleep(0.02)
        starts = time.monotonic() - began
        if process.wait():
            sys.exit("The run that is left alone fails.")
        each = (time.monotonic() - began - starts) / arguments.studies
        print(f"Left alone: {starts:.1f} s to the first answer, {each:.2f} s for each.", flush=True)

        known: dict[str, int] = {}
        while len(rows) < arguments.kills:
            began = time.monotonic()
            process = start(inputs, bundle, settings, out)
            if moments.random() < 0.5:
                time.sleep(moments.uniform(0, starts))
            else:
                while len(answers(out)) == len(known) and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(moments.uniform(0, 2 * each))
            if process.poll() is not None:
                sys.exit("There were too few studies for so many kills; give more with --studies.")
            after = time.monotonic() - began
            orphans = kill(process)
            found = answers(out)
            row = {
                "kill": len(rows) + 1,
                "after_s": f"{after:.2f}",
                "answered_before": len(known),
                "answered_after": len(found),
                "answers_lost_or_made_twice": sum(found.get(series) != row for series, row in known.items()),
                "processes_left": orphans,
                "temporary_files_left": len(list(out.parent.glob("ichmonai-*/*"))),
            }
            print(*row.values(), sep="  ", flush=True)
            rows.append(row)
            known = found
        last = start(inputs, bundle, settings, out).wait()
        found = answers(out)
        repeated = sum(found.get(series) != row for series, row in known.items())
        equal = last == 0 and all((whole / name).read_bytes() == (out / name).read_bytes() for name in TABLES)
    rows.append(
        {
            "kill": "none: the run to the end",
            "answered_before": len(known),
            "answered_after": len(found),
            "answers_lost_or_made_twice": repeated,
            "tables_equal_to_uninterrupted": equal,
        }
    )
    print(f"Tables equal: {equal}; answers lost or made twice in the last run: {repeated}.")
    if arguments.out:
        write_csv(arguments.out, dict.fromkeys(name for row in rows for name in row), rows)
    faults = ("answers_lost_or_made_twice", "processes_left", "temporary_files_left")
    wrong = any(row.get(name) for row in rows for name in faults)
    sys.exit(wrong or not equal)


if __name__ == "__main__":
    main()
