"""Time `ichmonai predict` on phantom DICOM studies of 32 slices of 512 x 512, by stage.

Runs, each a process of its own that starts cold and that the operating system's file cache may help:

- first ever: the cache of converted networks is empty, so that every runtime that is installed is converted and tried
- one study: later runs
- all studies: what each further study costs is the difference, over their number

`over_import` is the time over that of `python -c "import monai"`, and `cpu_over_import` the same of the time that all
processes of both computed, which other work on the machine disturbs less: medians of five after each other, in turn.

`work` is the time in the workers and of the network, a study; reading and preprocessing use one thread of each worker,
the network all threads. Beside the times stands whether reading and preprocessing on all cores are faster than the
network. The studies are drawn in --studies, unless they are there.

    python -m scripts.bench.study --studies DIR --out scripts/results/bench_study.csv
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ichmonai.cores import usable_cores
from ichmonai.datasets.phantom import make_study, write_dicom
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv
from scripts.bench.machine import machine

SEEDS = (1, 8, 10, 11, 13, 15)
"""Of phantom patients whose study has 32 slices."""

ROUNDS = 5
STAGES = ("discover", "predict", "write", "work_read", "work_preprocess", "work_infer")


def draw(folder: Path) -> list[Path]:
    studies = [folder / f"study{seed}" for seed in SEEDS]
    for seed, study in zip(SEEDS, studies, strict=True):
        if not study.is_dir():
            study.mkdir(parents=True)
            write_dicom(study, [make_study(seed, size=512)])
    return studies


def predict(inputs: list[Path], out: Path, weights: Path, cache: Path, runtime: str) -> dict[str, Any]:
    """Seconds of a run by stage, what it ran on, and how many slices the network saw."""
    started = time.perf_counter()
    subprocess.run(command(inputs, out, weights, runtime), check=True, env={**os.environ, "ICHMONAI_CACHE": str(cache)})
    process = time.perf_counter() - started
    record = json.loads((out / "run.json").read_text())
    (choice,) = record["runtimes"]
    assert record["counts"]["positive"] + record["counts"]["negative"] == len(inputs)
    return {"process": process, "ran_on": f"{choice['runtime']} {choice['precision']}", **record["seconds"]}


def timed(arguments: list[str], cache: Path) -> tuple[float, float]:
    """Seconds that a command takes, and that it and all that it starts compute."""
    watched = [sys.executable, "-I", "-S", "-c", WATCH, *arguments]
    done = subprocess.run(
        watched, check=True, stdout=subprocess.PIPE, env={**os.environ, "ICHMONAI_CACHE": str(cache)}, text=True
    )
    wall, computed = map(float, done.stdout.split())
    return wall, computed


WATCH = """
import ctypes, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # what outlives its parent becomes this process's own, and is counted
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
process.wait()
wall = time.perf_counter() - started
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, used.ru_utime + used.ru_stime)
sys.exit(process.returncode)
"""


def over_import(study: Path, folder: Path, weights: Path, cache: Path, runtime: str) -> tuple[float, float]:
    """Time of a later run of one study over that of importing MONAI, by the clock and of all processes."""
    ratios = []
    for number in range(ROUNDS):
        ours = timed(command([study], folder / f"cold {runtime} {number}", weights, runtime), cache)
        theirs = timed([sys.executable, "-c", "import monai"], cache)
        ratios.append([one / other for one, other in zip(ours, theirs, strict=True)])
    wall, computed = (statistics.median(values) for values in zip(*ratios, strict=True))
    return wall, computed


def command(inputs: list[Path], out: Path, weights: Path, runtime: str) -> list[str]:
    """What predicts studies."""
    start = [sys.executable, "-P", "-m", "ichmonai", "predict", *map(str, inputs), "--out", str(out), "--quiet"]
    return [*start, "--runtime", runtime, "--set", f"ckpt_path={weights}", "--device", "cpu"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, required=True, help="folder of the phantom studies")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--weights", type=Path, help="of the bundle's network; the shipped ones unless given")
    parser.add_argument("--runtimes", nargs="+", default=["torch", "openvino", "auto"])
    args = parser.parse_args()
    studies = draw(args.studies)
    same = {
        "machine": machine(),
        "versions": " ".join(f"{name} {version(name)}" for name in ("torch", "openvino", "onnxruntime", "monai")),
    }
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = args.weights or bundle_root() / "models" / "model.pt"
        for runtime in args.runtimes:
            runs = {}
            for run, inputs in (("first ever", studies[:1]), ("one study", studies[:1]), ("all studies", studies)):
                out = folder / f"{runtime} {run}"
                runs[run] = predict(inputs, out, weights, folder / f"cache {runtime}", runtime)
                rows.append({"runtime": runtime, "run": run, "studies": len(inputs), **runs[run]})
            rows[-2]["over_import"], rows[-2]["cpu_over_import"] = over_import(
                studies[0], folder, weights, folder / f"cache {runtime}", runtime
            )
            one, every, more = runs["one study"], runs["all studies"], len(studies) - 1
            further = {stage: (every[stage] - one[stage]) / more for stage in ("process", *STAGES)}
            ready = (further["work_read"] + further["work_preprocess"]) / usable_cores()
            rows.append(
                {
                    "runtime": runtime,
                    "run": "each further study",
                    "studies": 1,
                    "ran_on": every["ran_on"],
                    **further,
                    "prepared_over_network": ready / further["work_infer"],
                }
            )
        for row in rows:
            print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()})
    columns = (
        "runtime",
        "run",
        "studies",
        "ran_on",
        "process",
        *STAGES,
        "prepared_over_network",
        "over_import",
        "cpu_over_import",
        "machine",
        "versions",
    )
    shown = [
        {name: f"{row[name]:.3f}" if isinstance(row.get(name), float) else row.get(name, "") for name in columns}
        for row in rows
    ]
    write_csv(args.out, columns, [{**row, **same} for row in shown])


if __name__ == "__main__":
    main()
