"""Measure `ichmonai predict`: studies a minute, memory, and where the time goes, from 10 to 400 studies.

Phantom head CT of 256 x 256 pixels and about 30 slices, four drawn and the others copies with UIDs of their own; the
bundle's inference with the light network and random weights, since timing does not depend on their values. Each run is
a process of its own, timed from its start to its end, the loading of Python's packages included. One run beforehand,
not counted, finds the fastest runtime for the network, which is kept for later runs.

- predict: the command, with as many workers as there are cores. `discover`, `predict` and `write` are seconds by the
  clock; `read`, `preprocess` and `infer` are seconds of work summed over all studies, most of it done at the same time.
- one after another, the baseline: what a plain script does with the same transforms and network, in one process and one
  thread: pydicom, sort by position, to HU, preprocessing, torch, postprocessing.

Memory is the peak of the proportional set size (memory that processes share counts once) of the process and all that it
starts, and that of the process itself, sampled twice a second.

    python -m scripts.bench.predict --out scripts/results/bench_predict.csv
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pydicom
import torch
from monai.data import MetaTensor

from ichmonai.cores import usable_cores
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.tables import write_csv
from scripts.bench.machine import machine
from scripts.bench.phantom_archive import write_archive, write_bundle

PACKAGES = ("ichmonai", "monai", "torch", "timm", "pydicom", "numpy", "scipy")
STAGES = ("discover", "read", "preprocess", "infer", "predict", "write")


class Measured(NamedTuple):
    """Seconds, peak memory in bytes of all processes and of the first alone, and what was printed."""

    seconds: float
    peak: float
    own_peak: float
    output: str


def one_after_another(inputs: Path, bundle: Path, settings: dict[str, Any]) -> dict[str, float]:
    """The plain script; seconds by stage."""
    torch.set_num_threads(1)
    parts = InferenceBundle(BundleSource(bundle, {**settings, "runtime": "torch", "device": "$torch.device('cpu')"}))
    seconds = dict.fromkeys(("read", "preprocess", "infer"), 0.0)
    for folder in sorted(inputs.iterdir()):
        times = [time.perf_counter()]
        slices = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
        slices.sort(key=lambda one: one.ImagePositionPatient[2])
        hu = np.stack([one.pixel_array * one.RescaleSlope + one.RescaleIntercept for one in slices], axis=-1)
        rows, columns = slices[0].PixelSpacing
        step = (slices[-1].ImagePositionPatient[2] - slices[0].ImagePositionPatient[2]) / (len(slices) - 1)
        affine = torch.diag(torch.tensor([-rows, -columns, step, 1.0], dtype=torch.float64))
        image = MetaTensor(torch.from_numpy(hu[None].astype(np.float32)), affine=affine)
        times.append(time.perf_counter())
        image = parts.preprocessing({"image": image}, start=1)["image"]
        times.append(time.perf_counter())
        with torch.inference_mode():
            logits = parts.inferer(image.as_tensor()[None], parts.network)[0]
        parts.postprocessing({"pred": logits, "image": image})
        times.append(time.perf_counter())
        for stage, begin, end in zip(seconds, times[:-1], times[1:], strict=True):
            seconds[stage] += end - begin
    return seconds


def measure(command: list[str], cache: Path) -> Measured:
    """Run a process to its end."""
    began = time.perf_counter()
    environment = {**os.environ, "ICHMONAI_CACHE": str(cache)}
    process = psutil.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = own_peak = 0.0
    while process.poll() is None:
        total = 0.0
        for one in (process, *process.children(recursive=True)):
            try:
                memory = one.memory_full_info()
            except psutil.Error:  # it has ended
                continue
            used = getattr(memory, "pss", memory.uss)
            total += used
            own_peak = max(own_peak, used if one == process else 0.0)
        peak = max(peak, total)
        time.sleep(0.5)
    seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)} ends with {process.returncode}.")
    return Measured(seconds, peak, own_peak, process.stdout.read())


def predict(
    inputs: Path, bundle: Path, settings: dict[str, Any], out: Path, workers: int
) -> tuple[Measured, dict[str, Any]]:
    """The command, and its summary."""
    command = [sys.executable, "-P", "-m", "ichmonai", "predict", str(inputs), "--out", str(out)]
    command += ["--bundle", str(bundle)]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    measured = measure([*command, "--device", "cpu", "--workers", str(workers), "--json"], bundle / "cache")
    summary = json.loads(measured.output)
    if summary["rejected"] or summary["failed"]:
        sys.exit(f"Not every phantom study was predicted: {summary}")
    return measured, summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="csv to write")
    parser.add_argument("--studies", type=int, nargs="+", default=[10, 100, 400])
    parser.add_argument("--baseline", type=int, nargs="*", default=[10, 100], help="studies for the plain script")
    parser.add_argument("--size", type=int, default=256, help="pixels along each side of a slice")
    parser.add_argument("--network", default="light")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--plain", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        inputs, bundle, settings = arguments.plain
        print(json.dumps(one_after_another(Path(inputs), Path(bundle), json.loads(settings))))
        return
    versions = " ".join(f"{package} {version(package)}" for package in PACKAGES)
    computer = machine()
    rows: list[dict[str, Any]] = []

    def add(variant: str, studies: int, slices: int, measured: Measured, stages: dict, runtime: str) -> None:
        row = {
            "variant": variant,
            "studies": studies,
            "slices": slices,
            "seconds": f"{measured.seconds:.1f}",
            "studies_per_minute": f"{60 * studies / measured.seconds:.1f}",
            "peak_memory_mb": round(measured.peak / 2**20),
            "main_process_mb": round(measured.own_peak / 2**20),
            **{f"{name}_s": f"{stages[name]:.2f}" if name in stages else "" for name in STAGES},
            "runtime": runtime,
            "load": f"{os.getloadavg()[0]:.1f}",
        }
        print(*row.values(), sep="  ", flush=True)
        rows.append(
            {
                **row,
                "network": f"{arguments.network}, {arguments.size} px slices, {arguments.workers} workers",
                "machine": computer,
                "versions": f"{versions} python {platform.python_version()}",
            }
        )

    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        bundle = Path(temporary, "bundle")
        settings = write_bundle(bundle, arguments.network, arguments.image_size)
        first = Path(temporary, "first")
        write_archive(first, 1, arguments.size)
        predict(first, bundle, settings, Path(temporary, "out"), arguments.workers)
        for studies in sorted({*arguments.studies, *arguments.baseline}):
            inputs = Path(temporary, str(studies))
            slices = write_archive(inputs, studies, arguments.size)
            if studies in arguments.baseline:
                command = [sys.executable, "-m", "scripts.bench.predict", "--plain", str(inputs), str(bundle)]
                command.append(json.dumps(settings))
                measured = measure(command, bundle / "cache")
                add("one after another", studies, slices, measured, json.loads(measured.output), "torch")
            if studies in arguments.studies:
                out = Path(temporary, f"out{studies}")
                measured, summary = predict(inputs, bundle, settings, out, arguments.workers)
                spent = summary["seconds"]
                stages = {name: spent.get(f"work_{name}", spent.get(name, 0.0)) for name in STAGES}
                add("predict", studies, slices, measured, stages, summary["runtimes"][0]["runtime"])
    if arguments.out:
        write_csv(arguments.out, rows[0], rows)


if __name__ == "__main__":
    main()
