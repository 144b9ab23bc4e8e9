"""Kill `ichmonai predict` again and again, and compare its tables with those of a run that is left alone.

Phantom studies; the bundle's inference with a small network of random weights. The run is started, killed at a random
moment (SIGKILL, which nothing can catch) and started again on the same folder. Half of the moments are anywhere in the
start of the run, the others within a while after an answer was written, since those would be rare otherwise. After each
kill every process of the run has to end by itself. At the end the tables have to be equal byte for byte, and no answer
may have been made twice: it would have a new row in the journal.

    python scripts/kill_predict.py --kills 20
"""

import argparse
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import psutil
from phantom_archive import write_archive, write_bundle

TABLES = ("studies.csv", "slices.csv", "rejected.csv")
NETWORK = {"backbone": "test_vit", "image_size": 32}
PATIENCE = 30.0
"""Seconds in which what a killed run has started has to end."""


def start(inputs: Path, bundle: Path, out: Path) -> psutil.Popen:
    command = [sys.executable, "-m", "ichmonai", "predict", str(inputs), "--bundle", str(bundle), "--out", str(out)]
    for name, value in NETWORK.items():
        command += ["--set", f"{name}={value}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
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
    parser.add_argument("--studies", type=int, default=30)
    parser.add_argument("--size", type=int, default=256, help="pixels along each side of a slice")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    kills = orphans = repeated = ended = 0
    with tempfile.TemporaryDirectory(prefix="kill-") as temporary:
        inputs, whole, out = (Path(temporary, name) for name in ("inputs", "whole", "out"))
        write_archive(inputs, arguments.studies, arguments.size)
        next(inputs.rglob("*.dcm")).write_bytes(b"damaged")
        bundle = write_bundle(Path(temporary, "bundle"), **NETWORK)
        began = time.monotonic()
        process = start(inputs, bundle, whole)
        while not answers(whole) and process.poll() is None:
            time.sleep(0.02)
        starts = time.monotonic() - began
        if process.wait():
            sys.exit("The run that is left alone fails.")
        each = (time.monotonic() - began - starts) / arguments.studies
        print(f"Left alone: {starts:.1f} s to the first answer, {each:.2f} s for each.", flush=True)

        known: dict[str, int] = {}
        while kills < arguments.kills:
            process = start(inputs, bundle, out)
            if moments.random() < 0.5:
                time.sleep(moments.uniform(0, starts))
            else:
                while len(answers(out)) == len(known) and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(moments.uniform(0, 2 * each))
            if process.poll() is None:
                orphans += kill(process)
                kills += 1
            else:
                ended += 1
            found = answers(out)
            repeated += sum(found.get(series) != row for series, row in known.items())
            print(f"{kills} kills, {ended} ends: {len(found)} of {arguments.studies} answered.", flush=True)
            known = found
        last = start(inputs, bundle, out).wait()
        found = answers(out)
        repeated += sum(found.get(series) != row for series, row in known.items())
        equal = last == 0 and all((whole / name).read_bytes() == (out / name).read_bytes() for name in TABLES)
    print(json.dumps({"kills": kills, "orphans": orphans, "answered_twice": repeated, "tables_equal": equal}))
    sys.exit(bool(orphans or repeated or not equal))


if __name__ == "__main__":
    main()
