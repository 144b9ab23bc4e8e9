"""Time `ichmonai node` between scanners and an archive: studies an hour, seconds to the report, and its memory.

Phantom DICOM studies of 32 slices of 512 x 512, under new UIDs each time, go to a node in a process of its own. Each
association sends a study, waits until its structured report is in the archive (a C-STORE SCP that only notes the time),
and sends the next: so the rate is what the node sustains. `median_s` and `p95_s` are from the acknowledgement of the
last image to the report's arrival; for `quiet_seconds` of them the node waits for more images.

Memory is that of the node and its processes together (proportional set size), medians of the first and of the last
tenth of the studies, and the most: what grows with the studies is a leak. The baseline is `ichmonai predict
--dicom-out` of the studies that are different.

The table is written after each study, so that a run that is stopped leaves what it measured, and `studies` says of how
many. `--minutes` ends each run after that time. `--slices 16` sends every second slice of a study, as the column says:
memory over 500 studies can then be seen in less time, but the rate is not that of whole studies.

    python -m scripts.bench.node --studies DIR --out scripts/results/bench_node.csv
    python -m scripts.bench.node --studies DIR --out FILE --associations 4 --slices 16 --minutes 15
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom

from ichmonai.dicom_node.inbox import stem
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv
from scripts.bench.machine import machine
from scripts.bench.node_peers import Archive, memory, send, start_node
from scripts.bench.study import draw

ENDS = 0.1
"""Share of the studies at the beginning and at the end, over which memory is a median."""
SLICES = 32
"""Of a study as it is drawn."""
COLUMNS = (
    "run",
    "studies",
    "studies_an_hour",
    "median_s",
    "p95_s",
    "quiet_seconds",
    "first_mb",
    "last_mb",
    "peak_mb",
)


@dataclass
class Run:
    """What was measured of the studies of a run until now.

    Attributes:
        associations: in parallel.
        quiet: seconds after which a study is complete.
        seconds: from the last image of each study to its report.
        used: MB when each report came.
        wall: seconds since it began.
    """

    associations: int
    quiet: float
    seconds: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    wall: float = 0.0

    def row(self) -> dict[str, Any]:
        """Its row of the table."""
        few = max(round(ENDS * len(self.used)), 1)
        return {
            "run": f"node, {self.associations} association{'s' * (self.associations > 1)}",
            "studies": len(self.seconds),
            "studies_an_hour": 3600 * len(self.seconds) / self.wall,
            "median_s": statistics.median(self.seconds),
            "p95_s": float(np.quantile(self.seconds, 0.95)),
            "quiet_seconds": self.quiet,
            "first_mb": statistics.median(self.used[:few]),
            "last_mb": statistics.median(self.used[-few:]),
            "peak_mb": max(self.used),
        }


def run(
    folder: Path,
    studies: list[list[pydicom.Dataset]],
    most: tuple[int, float],
    measured: Run,
    weights: Path,
    save: Callable[[dict[str, Any]], None],
) -> None:
    """Send studies by so many associations, and watch.

    Args:
        folder: for the node; made.
        studies: that are different.
        most: studies, and seconds after which no other one is sent.
        measured: how, and what of it.
        weights: of the network.
        save: is given the row after each study.
    """
    folder.mkdir()
    archive = Archive()
    archive.start()
    process, port = start_node(folder, archive, measured.quiet, weights)
    numbers = iter(range(most[0]))
    noting = threading.Lock()
    stopped: list[BaseException] = []
    started = time.monotonic()

    def work() -> None:
        try:
            while not stopped and time.monotonic() - started < most[1]:
                with noting:
                    if (number := next(numbers, None)) is None:
                        return
                study, last = send(port, studies[number % len(studies)])
                came = archive.wait_for(study)
                used = memory(psutil.Process(process.pid))
                shutil.rmtree(folder / "node" / "received" / stem(study))  # else 500 studies fill the disk
                with noting:
                    measured.seconds.append(came - last)
                    measured.used.append(used)
                    measured.wall = time.monotonic() - started
                    save(measured.row())
        except BaseException as error:
            stopped.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(measured.associations)]
    try:
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        process.terminate()
        process.wait(60)
    if stopped:
        raise stopped[0]


def baseline(folder: Path, studies: list[Path], weights: Path) -> dict[str, Any]:
    """`ichmonai predict` of the same studies, with the same objects."""
    command = [sys.executable, "-P", "-m", "ichmonai", "predict", *map(str, studies), "--out", str(folder / "out")]
    command += ["--dicom-out", str(folder / "objects"), "--quiet", "--device", "cpu", "--set", f"ckpt_path={weights}"]
    subprocess.run(command, check=True)
    seconds = json.loads((folder / "out" / "run.json").read_text())["seconds"]["total"]
    return {"run": "ichmonai predict", "studies": len(studies), "studies_an_hour": 3600 * len(studies) / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, required=True, help="folder of the phantom studies")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--weights", type=Path, help="of the bundle's network; the shipped ones unless given")
    parser.add_argument("--count", type=int, default=500, help="studies of each run, at most")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of each run, at most")
    parser.add_argument("--slices", type=int, default=SLICES, choices=(SLICES, SLICES // 2), help="of a study")
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--quiet", type=float, default=2.0, help="seconds after which a study is complete")
    args = parser.parse_args()
    weights = args.weights or bundle_root() / "models" / "model.pt"
    folders = draw(args.studies)
    paths = [sorted(one.rglob("*.dcm"))[:: SLICES // args.slices] for one in folders]
    studies: list[list[pydicom.Dataset]] = [[pydicom.dcmread(path) for path in of_study] for of_study in paths]
    same = {
        "slices": args.slices,
        "machine": machine(),
        "versions": " ".join(f"{name} {version(name)}" for name in ("ichmonai", "torch", "pynetdicom", "highdicom")),
    }
    rows: dict[str, dict[str, Any]] = {}

    def save(row: dict[str, Any]) -> None:
        rows[row["run"]] = {name: f"{v:.1f}" if isinstance(v, float) else v for name, v in row.items()} | same
        write_csv(args.out, (*COLUMNS, *same), list(rows.values()))

    with tempfile.TemporaryDirectory() as name:
        save(baseline(Path(name), [_copied(Path(name) / f"study {i}", one) for i, one in enumerate(paths)], weights))
        for associations in args.associations:
            folder = Path(name) / f"associations {associations}"
            measured = Run(associations, args.quiet)
            run(folder, studies, (args.count, 60 * args.minutes), measured, weights, save)
            print(rows[measured.row()["run"]], f"load {os.getloadavg()[0]:.1f}", flush=True)
            shutil.rmtree(folder)


def _copied(folder: Path, paths: list[Path]) -> Path:
    """A study in a folder of its own."""
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
    return folder


if __name__ == "__main__":
    main()
