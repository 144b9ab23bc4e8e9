"""Time networks in images a second on each runtime and precision, against torch eager in fp32, as published code runs.

All variants of a network take turns in one process, round by round, so that whatever else the machine does falls on all
of them; each is given as the median of its rounds, and as the median ratio to torch eager fp32 in the same round.
Beside it stands the share of what this CPU does in a plain matrix product in that precision, which is measured first:
the better of torch and OpenVINO, 2048 x 2048. Weights are random, and int8 is calibrated on drawn slices: these are
times, and what int8 costs in accuracy is said by `ichmonai export --int8`. ViT-L/16 is not timed at batch 32, which
takes long and is no faster than 8.

Converted networks are kept in --models, and the table is written after each network: a run that was stopped goes on
with --networks. --build only converts, which needs no quiet machine.

    python -m scripts.bench.runtime --models DIR --build
    python -m scripts.bench.runtime --models DIR --out scripts/results/bench_runtime.csv
"""

import argparse
import copy
import csv
import functools
import gc
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ichmonai.networks import SliceClassifier, create_network
from ichmonai.runtimes.formats import export_network, save_openvino, to_openvino
from ichmonai.runtimes.libraries import nncf
from ichmonai.runtimes.parity import drawn_slices
from ichmonai.runtimes.quantise import quantise
from ichmonai.runtimes.sessions import Run, open_file, open_torch
from ichmonai.tables import write_csv
from scripts.bench.machine import machine

NETWORKS = {
    "vit_large_patch16_224": (1, 8),
    "vit_tiny_patch16_224": (1, 8, 32),
    "scopeformer_2cnn": (1, 8, 32),
    "light": (1, 8, 32),
}
REFERENCE = "torch eager fp32"
SIZE = 224
SIDE = 2048
PACKAGES = ("torch", "timm", "openvino", "onnxruntime", "nncf", "numpy")
COLUMNS = (
    "network", "variant", "batch", "images_per_second", "ratio", "gflop_per_image", "gflops", "peak_gflops",
    "share_of_peak", "largest_difference", "rounds", "machine", "versions",
)  # fmt: skip


def network_of(name: str) -> SliceClassifier:
    torch.manual_seed(0)
    return create_network(name, image_size=SIZE).eval()


def files_of(folder: Path, name: str) -> dict[str, Path]:
    return {kind: folder / f"{name}{suffix}" for kind, suffix in (
        ("onnx", ".onnx"), ("openvino", ".xml"), ("int8", "_int8.xml"),
    )}  # fmt: skip


def build(folder: Path, name: str) -> None:
    """Convert a network, unless that was done before."""
    files = files_of(folder, name)
    if all(file.is_file() for file in files.values()):
        return
    network = network_of(name)
    facts = {"input": {"shape": ["batch", network.in_channels, SIZE, SIZE]}}
    for format in ("onnx", "openvino"):
        if not files[format].is_file():
            export_network(network, format, files[format], facts)
    if not files["int8"].is_file():
        save_openvino(quantise(network, drawn_slices(network.in_channels, SIZE)), files["int8"], facts)


def variants_of(folder: Path, name: str) -> dict[str, tuple[Run, str]]:
    """Variant -> function of slices, and the precision whose peak it is compared with."""
    files = files_of(folder, name)
    network, last = network_of(name), network_of(name).to(memory_format=torch.channels_last)
    found = {
        REFERENCE: (open_torch(network, "fp32"), "fp32"),
        "torch eager fp32, channels last": (open_torch(last, "fp32"), "fp32"),
        "torch autocast bf16": (open_torch(network, "bf16"), "bf16"),
        "torch autocast bf16, channels last": (open_torch(last, "bf16"), "bf16"),
        "onnxruntime fp32": (open_file("onnxruntime", files["onnx"], "fp32"), "fp32"),
        "openvino fp32": (open_file("openvino", files["openvino"], "fp32"), "fp32"),
        "openvino bf16": (open_file("openvino", files["openvino"], "bf16"), "bf16"),
        "openvino int8": (open_file("openvino", files["int8"], "int8"), "int8"),
    }
    # Channels last is a matter of convolutions.
    return {variant: run for variant, run in found.items() if "last" not in variant or not name.startswith("vit")}


def interleave(runs: dict[str, Callable[[], object]], rounds: int, shortest: float = 0.3) -> dict[str, list[float]]:
    """Calls a second of each in each round, after a call that does not count; a round lasts at least `shortest` s."""
    for run in runs.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            calls, start = 0, time.perf_counter()
            while (seconds := time.perf_counter() - start) < shortest or not calls:
                run()
                calls += 1
            rates[name].append(calls / seconds)
    return rates


def peaks(folder: Path, rounds: int) -> dict[str, float]:
    """GFLOP/s of a matrix product by precision: the better of torch and OpenVINO, in the best round."""
    layers = nn.Sequential(*(nn.Linear(SIDE, SIDE, bias=False) for _ in range(4))).eval()
    image = torch.randn(SIDE, SIDE)
    facts: dict = {}
    files = {kind: folder / f"product{suffix}" for kind, suffix in (("plain", ".xml"), ("int8", "_int8.xml"))}
    if not files["int8"].is_file():
        tool = nncf()
        save_openvino(to_openvino(layers, image), files["plain"], facts)
        save_openvino(tool.quantize(to_openvino(layers, image), tool.Dataset([image.numpy()])), files["int8"], facts)
    half, half_image = copy.deepcopy(layers).bfloat16(), image.bfloat16()
    runs: dict[str, Callable[[], object]] = {
        "fp32 torch": lambda: layers(image),
        "bf16 torch": lambda: half(half_image),
    }
    for precision, kind in (("fp32", "plain"), ("bf16", "plain"), ("int8", "int8")):
        opened = open_file("openvino", files[kind], precision)
        runs[f"{precision} openvino"] = lambda opened=opened: opened(image)
    with torch.no_grad():
        rates = interleave(runs, rounds)
    best: dict[str, float] = {}
    for name, rate in rates.items():
        gflops = max(rate) * 4 * 2 * SIDE**3 / 1e9
        print(f"matrix product {name:15} {gflops:8.0f} GFLOP/s")
        best[name.split()[0]] = max(best.get(name.split()[0], 0.0), gflops)
    return best


def gflop_of(name: str) -> float:
    with torch.device("meta"):
        network = create_network(name, image_size=SIZE).eval()
        image = torch.zeros(1, network.in_channels, SIZE, SIZE)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    return counter.get_total_flops() / 1e9


def measure(folder: Path, name: str, peak: dict[str, float], rounds: int) -> list[dict[str, object]]:
    variants = variants_of(folder, name)
    gflop = gflop_of(name)
    rows: list[dict[str, object]] = []
    for batch in NETWORKS[name]:
        images = drawn_slices(3, SIZE, batch)
        with torch.inference_mode():
            logits: dict[str, Tensor] = {variant: run(images) for variant, (run, _) in variants.items()}
            calls = {variant: functools.partial(run, images) for variant, (run, _) in variants.items()}
            rates = interleave(calls, rounds)
        for variant, (_, precision) in variants.items():
            speed = batch * statistics.median(rates[variant])
            pairs = zip(rates[variant], rates[REFERENCE], strict=True)
            rows.append(
                {
                    "network": name,
                    "variant": variant,
                    "batch": batch,
                    "images_per_second": f"{speed:.4g}",
                    "ratio": f"{statistics.median(ours / theirs for ours, theirs in pairs):.2f}",
                    "gflop_per_image": f"{gflop:.4g}",
                    "gflops": f"{speed * gflop:.0f}",
                    "peak_gflops": f"{peak[precision]:.0f}",
                    "share_of_peak": f"{speed * gflop / peak[precision]:.2f}",
                    "largest_difference": f"{float((logits[variant] - logits[REFERENCE]).abs().max()):.1e}",
                    "rounds": rounds,
                }
            )
            ratio, share = rows[-1]["ratio"], rows[-1]["share_of_peak"]
            print(f"{name:24} {variant:36} batch {batch:2} {speed:8.1f}/s x{ratio} {share}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder of converted networks; several GB")
    parser.add_argument("--out", type=Path, help="CSV to write")
    parser.add_argument("--build", action="store_true", help="convert only")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    args.models.mkdir(parents=True, exist_ok=True)
    for name in args.networks:
        build(args.models, name)
        gc.collect()
    if args.build:
        return
    same = {
        "machine": f"{machine()}, {torch.get_num_threads()} threads",
        "versions": " ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
    peak = peaks(args.models, args.rounds)
    done: list[dict[str, object]] = []
    if args.out.is_file():  # of networks that are not measured now
        with args.out.open(newline="", encoding="utf-8") as file:
            done = [row for row in csv.DictReader(file) if row["network"] not in args.networks]
    for name in args.networks:
        done += [{**row, **same} for row in measure(args.models, name, peak, args.rounds)]
        write_csv(args.out, COLUMNS, done)
        gc.collect()


if __name__ == "__main__":
    main()
