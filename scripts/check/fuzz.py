"""Coverage-guided fuzzing of everything here that reads what others wrote.

A target is something that reads what others wrote (`fuzzing.images`, `fuzzing.tables`). Each runs in a process of its
own, so that a crash or a hang is a find and not the end. Inputs begin as small phantoms and tables, and are changed by
their structure (elements of DICOM, fields of NIfTI, entries of zip archives, cells, nodes, rows) and by their bytes;
what reaches new code is kept and changed again. What is found is made smaller and written below `--corpus`; a later run
goes on from what it left there.

A find is: an exception other than `InputError`, a crash, more than 10 s or 512 MiB for one input, an input that nothing
is said of, a sentence that is none, values that are no HU, or a header and an image that contradict each other.

    pip install "ichmonai[fuzz]"
    python -m scripts.check.fuzz --runs 10000 --out scripts/results/check_fuzz.csv
    python -m scripts.check.fuzz --seconds 120          # as continuous integration does
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before libraries start threads, which would not survive a fork


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", metavar="TARGET", help="names; all unless given")
    parser.add_argument("--runs", type=int, default=10_000, help="inputs of each target")
    parser.add_argument("--seconds", type=float, default=3600, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--corpus", type=Path, default=Path(".fuzz"), help="folder to go on from, and for what is found"
    )
    parser.add_argument("--out", type=Path, help="csv to write")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds

    from scripts.check.fuzzing.campaign import TARGETS, row_of, warm  # takes long, and is not needed for --help

    names = arguments.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    corpus = arguments.corpus.resolve()
    rows = []
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        tempfile.tempdir = scratch
        warm([TARGETS[name] for name in names], Path(scratch))
        shares = [arguments.jobs / left for left in range(len(names), 0, -1)]  # of the time that is left then
        work = [
            (name, corpus / name, arguments.runs, end, min(share, 1.0), arguments.seed)
            for name, share in zip(names, shares, strict=True)
        ]
        from ichmonai.tables import write_csv  # not before: what is imported by then tells the fuzzer nothing

        # Forks of this process, since importing takes longer than fuzzing a target for a while.
        with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("fork")) as pool:
            for row in pool.map(row_of, work):
                rows.append(row)
                if arguments.out:
                    write_csv(arguments.out, rows[0], rows)
    sys.exit(any(row["finds"] for row in rows))


if __name__ == "__main__":
    main()
