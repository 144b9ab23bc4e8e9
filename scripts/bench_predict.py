"""Measure `ichmonai predict`: studies a minute, memory, and where the time goes, from 10 to 400 studies.

Phantom head CT of 512 x 512 pixels and about 30 slices, four drawn and the others copies with UIDs of their own; the
bundle's inference with DeiT-Tiny and random weights, since timing does not depend on their values. Each run is a
process of its own, timed from its start to its end, the loading of Python's packages included.

- predict: the command, with as many workers as given. `discover` and `write` are seconds by the clock; `read`,
  `preprocess` and `infer` are seconds of work summed over all studies, some of it done at the same time.
- one after another: what a plain script does with the same transforms and network, in one process: pydicom, sort by
  position, to HU, preprocessing, network, postprocessing.

Memory is the peak of the proportional set size (memory that processes share counts once) of the process and all that it
starts, sampled five times a second.

    python scripts/bench_predict.py --out scripts/results/predict.csv
"""

import argparse
import csv
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom
import torch
from bench_preprocess import processor
from monai.data import MetaTensor
from phantom_archive import write_archive, write_bundle

from ichmonai.batch.bundle import BundleSource, InferenceBundle

NETWORK = {"backbone": "deit_tiny_patch16_224", "image_size": 224}
PACKAGES = ("ichmonai", "monai", "torch", "timm", "pydicom", "numpy", "scipy")
STAGES = ("discover", "read", "preprocess", "infer", "write")


def one_after_another(inputs: Path, bundle: Path) -> dict[str, float]:
    """The plain script; seconds by stage."""
    torch.set_num_threads(1)
    parts = InferenceBundle(BundleSource(bundle, {**NETWORK, "device": "$torch.device('cpu')"}))
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


def measure(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak memory in bytes and output of a process."""
    began = time.perf_counter()
    process = psutil.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        total = 0
        for one in (process, *process.children(recursive=True)):
            try:
                memory = one.memory_full_info()
                total += getattr(memory, "pss", memory.uss)
            except psutil.Error:  # it has ended
                continue
        peak = max(peak, total)
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)} ends with {process.returncode}.")
    return seconds, peak, process.stdout.read()


def predict(inputs: Path, bundle: Path, out: Path, workers: int) -> tuple[float, float, dict[str, float]]:
    command = [sys.executable, "-m", "ichmonai", "predict", str(inputs), "--out", str(out), "--bundle", str(bundle)]
    for name, value in NETWORK.items():
        command += ["--set", f"{name}={value}"]
    seconds, peak, answer = measure([*command, "--device", "cpu", "--workers", str(workers), "--json"])
    summary = json.loads(answer)
    if summary["rejected"] or summary["failed"]:
        sys.exit(f"Not every phantom study was predicted: {summary}")
    spent = summary["seconds"]
    return seconds, peak, {name: spent.get(name, spent.get(f"work_{name}", 0.0)) for name in STAGES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="csv to write")
    parser.add_argument("--studies", type=int, nargs="+", default=[10, 100, 400])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--plain", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        print(json.dumps(one_after_another(*arguments.plain)))
        return
    machine = {
        "size": arguments.size,
        "network": NETWORK["backbone"],
        "cpu": processor(),
        "cores": os.cpu_count(),
        "versions": " ".join(f"{package}={version(package)}" for package in PACKAGES) + f" {platform.python_version()}",
        "date": datetime.date.today().isoformat(),
    }
    rows: list[dict[str, Any]] = []

    def add(variant: str, studies: int, slices: int, workers: int, result: tuple[float, float, dict]) -> None:
        seconds, peak, stages = result
        row = {
            "variant": variant,
            "studies": studies,
            "slices": slices,
            "workers": workers,
            "seconds": round(seconds, 1),
            "studies_per_min": round(60 * studies / seconds, 1),
            "peak_memory_mb": round(peak / 2**20),
            **{f"{name}_s": round(stages[name], 2) if name in stages else "" for name in STAGES},
            "load": round(os.getloadavg()[0], 1),
        }
        print(*row.values(), sep="  ", flush=True)
        rows.append({**row, **machine})

    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        bundle = write_bundle(Path(temporary, "bundle"), **NETWORK)
        for studies in arguments.studies:
            inputs = Path(temporary, str(studies))
            slices = write_archive(inputs, studies, arguments.size)
            if studies == arguments.studies[0]:
                command = [sys.executable, __file__, "--plain", str(inputs), str(bundle)]
                seconds, peak, answer = measure(command)
                add("one after another", studies, slices, 1, (seconds, peak, json.loads(answer)))
            result = predict(inputs, bundle, Path(temporary, f"out{studies}"), arguments.workers)
            add("predict", studies, slices, arguments.workers, result)
    if arguments.out:
        with arguments.out.open("w", newline="") as table:
            writer = csv.DictWriter(table, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
