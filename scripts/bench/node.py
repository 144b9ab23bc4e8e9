"""Time `ichmonai node` between scanners and an archive: studies an hour, seconds to the report, and its memory.

Phantom DICOM studies of 32 slices of 512 x 512, under new UIDs each time, go to a node in a process of its own. Each
association sends a study, waits until its structured report is in the archive (a C-STORE SCP that only notes the time),
and sends the next: so the rate is what the node sustains. `median_s` and `p95_s` are from the acknowledgement of the
last image to the report's arrival; for `quiet_seconds` of them the node waits for more images.

Memory is that of the node and its processes together (proportional set size), medians of the first and of the last
tenth of the studies, and the most: what grows with the studies is a leak. The baseline is `ichmonai predict
--dicom-out` of the studies that are different.

    python -m scripts.bench.node --studies DIR --out scripts/results/bench_node.csv
"""

import argparse
import contextlib
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom
from pydicom.uid import ComprehensiveSRStorage, generate_uid
from pynetdicom import AE, evt

from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv
from scripts.bench.machine import machine
from scripts.bench.study import draw

ENDS = 0.1
"""Share of the studies at the beginning and at the end, over which memory is a median."""
LONGEST = 600.0
"""Seconds to wait for a report."""


@dataclass
class Archive:
    """Takes reports, and notes when each study's came."""

    came: dict[str, float] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def start(self) -> None:
        """Listen at a port that is free."""
        entity = AE("ARCHIVE")
        entity.add_supported_context(ComprehensiveSRStorage)
        entity.maximum_associations = 100
        handlers: list[Any] = [(evt.EVT_C_STORE, self.take)]
        server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = server.server_address[1]

    def take(self, event: Any) -> int:
        """Note that a report came."""
        with self.arrived:
            self.came[str(event.dataset.StudyInstanceUID)] = time.monotonic()
            self.arrived.notify_all()
        return 0

    def wait_for(self, study: str) -> float:
        """When the report of a study came."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: study in self.came, LONGEST):
                raise SystemExit(f"No report came of {study}.")
            return self.came[study]


def renamed(images: list[pydicom.Dataset]) -> Iterator[pydicom.Dataset]:
    """The images of a study as those of another one, of a patient of its own."""
    study, series = generate_uid(), generate_uid()
    for image in images:
        one = copy.deepcopy(image)
        one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID = study, series, generate_uid()
        one.PatientID = study[-16:]
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        yield one


def send(port: int, images: list[pydicom.Dataset]) -> tuple[str, float]:
    """Send a study by an association: its UID, and when its last image was acknowledged."""
    entity = AE("SCANNER")
    entity.dimse_timeout = entity.network_timeout = LONGEST
    entity.add_requested_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="ICHMONAI")
    if not association.is_established:
        raise SystemExit("The node takes no association.")
    for one in renamed(images):
        if association.send_c_store(one).get("Status") != 0:
            raise SystemExit("The node does not take an image.")
    last = time.monotonic()
    association.release()
    return str(one.StudyInstanceUID), last


def memory(root: psutil.Process) -> float:
    """MB of a process and all below it, pages that several share counted once."""
    total = 0
    for one in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            total += one.memory_full_info().pss
    return total / 2**20


def start_node(folder: Path, archive: Archive, quiet: float, weights: Path) -> tuple[subprocess.Popen, int]:
    """A node, and the port at which it listens."""
    port = archive.port + 1
    config = folder / "node.toml"
    config.write_text(
        f'[node]\nfolder = "node"\nport = {port}\nquiet_seconds = {quiet}\n[[destination]]\nname = "archive"\n'
        f'ae_title = "ARCHIVE"\nhost = "127.0.0.1"\nport = {archive.port}\npositive = []\n'
    )
    command = [sys.executable, "-P", "-m", "ichmonai", "node", "--config", str(config), "--device", "cpu"]
    with (folder / "node.log").open("w") as log:
        process = subprocess.Popen([*command, "--set", f"ckpt_path={weights}"], stderr=log)
    entity = AE("BENCH")
    entity.add_requested_context("1.2.840.10008.1.1")
    while process.poll() is None:
        association = entity.associate("127.0.0.1", port, ae_title="ICHMONAI")
        if association.is_established:
            association.release()
            return process, port
        time.sleep(0.5)
    raise SystemExit((folder / "node.log").read_text())


def run(
    folder: Path, studies: list[list[pydicom.Dataset]], count: int, associations: int, quiet: float, weights: Path
) -> dict[str, Any]:
    """Send `count` studies by so many associations, and watch."""
    folder.mkdir()
    archive = Archive()
    archive.start()
    process, port = start_node(folder, archive, quiet, weights)
    seconds: list[float] = []
    used: list[float] = []
    numbers = iter(range(count))
    taking = threading.Lock()
    stopped: list[BaseException] = []

    def work() -> None:
        try:
            while not stopped:
                with taking:
                    if (number := next(numbers, None)) is None:
                        return
                study, last = send(port, studies[number % len(studies)])
                seconds.append(archive.wait_for(study) - last)
                used.append(memory(psutil.Process(process.pid)))
        except BaseException as error:
            stopped.append(error)

    started = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(associations)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    wall = time.monotonic() - started
    process.terminate()
    process.wait(60)
    if stopped:
        raise stopped[0]
    few = max(round(ENDS * count), 1)
    return {
        "run": f"node, {associations} associations" if associations > 1 else "node, 1 association",
        "studies": count,
        "studies_an_hour": 3600 * count / wall,
        "median_s": statistics.median(seconds),
        "p95_s": float(np.quantile(seconds, 0.95)),
        "quiet_seconds": quiet,
        "first_mb": statistics.median(used[:few]),
        "last_mb": statistics.median(used[-few:]),
        "peak_mb": max(used),
    }


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
    parser.add_argument("--count", type=int, default=500, help="studies of each run")
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--quiet", type=float, default=2.0, help="seconds after which a study is complete")
    args = parser.parse_args()
    weights = args.weights or bundle_root() / "models" / "model.pt"
    folders = draw(args.studies)
    studies: list[list[pydicom.Dataset]] = [
        [pydicom.dcmread(path) for path in sorted(one.rglob("*.dcm"))] for one in folders
    ]
    same = {
        "machine": machine(),
        "versions": " ".join(f"{name} {version(name)}" for name in ("ichmonai", "torch", "pynetdicom", "highdicom")),
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        rows.append(baseline(Path(name), folders, weights))
        for associations in args.associations:
            folder = Path(name) / f"associations {associations}"
            rows.append(run(folder, studies, args.count, associations, args.quiet, weights))
            print(rows[-1], f"load {os.getloadavg()[0]:.1f}")
    columns = (
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
    shown = [{name: f"{v:.1f}" if isinstance(v, float) else v for name, v in row.items()} for row in rows]
    write_csv(args.out, (*columns, *same), [row | same for row in shown])


if __name__ == "__main__":
    main()
