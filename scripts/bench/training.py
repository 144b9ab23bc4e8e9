"""Measure training in images a second: the input pipeline against PIL and torchvision, bfloat16 against float32.

The pipeline and the step are those of `bundle/configs/dtvit.json`; the reference pipeline is the one that the
published DTViT code composes, on the same files. That code removes head holders beforehand, the bundle while it reads,
so that the bundle does more. Variants take turns, round by round, so that whatever else the machine does falls on all
of them; each is given as the median of its rounds, and as the median ratio to the reference in the same round. One
process, no workers.

    python -m scripts.bench.training --data DIR --out scripts/results/bench_training.csv
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm.layers
import torch
from monai.bundle import ConfigParser
from PIL import Image
from torchvision import transforms

from ichmonai.datasets import load_datalist
from ichmonai.paths import absolute_config, bundle_root
from ichmonai.prediction.inferers import Precision, SliceInferer
from ichmonai.tables import write_csv
from scripts.bench.machine import machine

PACKAGES = ("torch", "torchvision", "monai", "timm", "pillow", "numpy", "scipy")


def interleave(variants: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    """Images a second of each variant in each round, after a round that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(rounds + 1):
        for name, run in variants.items():
            start = time.perf_counter()
            images = run()
            if round_:
                rates[name].append(images / (time.perf_counter() - start))
    return rates


def training_config(items: list[dict[str, Any]], **overrides: Any) -> ConfigParser:
    parser = ConfigParser(absolute_config(bundle_root(), "dtvit"))
    parser.update({"splits": {"training": items, "validation": [], "test": []}, "pretrained": False} | overrides)
    return parser


def input_variants(items: list[dict[str, Any]]) -> dict[str, Callable[[], int]]:
    published = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.RandomRotation(15),
            transforms.RandomAdjustSharpness(2),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )

    def read_published() -> int:
        return len([published(Image.open(item["image"]).convert("RGB")) for item in items])

    def reader(**overrides: Any) -> Callable[[], int]:
        dataset = training_config(items, **overrides).get_parsed_content("train#dataset")
        return lambda: len([dataset[index]["image"] for index in range(len(dataset))])

    with_holder = [
        t for t in absolute_config(bundle_root(), "dtvit")["preprocessing_transforms"] if "Holder" not in str(t)
    ]
    return {
        "PIL and torchvision, as published": read_published,
        "bundle, first epoch": reader(cache_rate=0.0),
        "bundle, first epoch, head holder kept": reader(cache_rate=0.0, preprocessing_transforms=with_holder),
        "bundle, later epochs (cached)": reader(cache_rate=1.0),
    }


def step_variants(backbone: str, batch_size: int) -> dict[str, Callable[[], int]]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, 224, 224, generator=generator)
    ich = torch.arange(batch_size) % 2
    labels = torch.stack([ich, torch.where(ich == 1, torch.arange(batch_size) % 3, -1)], dim=1)

    def step(precision: Precision, fused: bool) -> Callable[[], int]:
        timm.layers.set_fused_attn(fused)
        parser = training_config([], backbone=backbone, device=torch.device("cpu"))
        network, loss, optimizer = (parser.get_parsed_content(name) for name in ("network", "loss", "optimizer"))
        timm.layers.set_fused_attn(True)
        network.train()
        inferer = SliceInferer(precision)

        def run() -> int:
            optimizer.zero_grad()
            loss(inferer(images, network), labels).backward()
            optimizer.step()
            return batch_size

        return run

    return {
        "float32": step("fp32", fused=True),
        "bfloat16 autocast": step("bf16", fused=True),
        "bfloat16 autocast, TIMM_FUSED_ATTN=0": step("bf16", fused=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="dataset, as for dataset_dir of the bundle")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--backbone", default="deit_tiny_patch16_224")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=64, help="slices for the input pipeline")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    items = load_datalist(args.data)
    items = items[:: max(len(items) // args.images, 1)][: args.images]
    parts = {
        "input": interleave(input_variants(items), args.rounds),
        f"step {args.backbone}, batch {args.batch_size}": interleave(
            step_variants(args.backbone, args.batch_size), args.rounds
        ),
    }
    computer = f"{machine()}, {args.threads} used"
    versions = " ".join(f"{name} {version(name)}" for name in PACKAGES)
    rows = []
    for part, rates in parts.items():
        reference = next(iter(rates.values()))
        for variant, rate in rates.items():
            ratio = statistics.median(ours / theirs for ours, theirs in zip(rate, reference, strict=True))
            rows.append(
                {
                    "part": part,
                    "variant": variant,
                    "images_per_second": f"{statistics.median(rate):.1f}",
                    "ratio": f"{ratio:.2f}",
                    "rounds": args.rounds,
                    "machine": computer,
                    "versions": versions,
                }
            )
            print(f"{part:45} {variant:40} {rows[-1]['images_per_second']:>8} images/s  x{rows[-1]['ratio']}")
    write_csv(args.out, rows[0], rows)


if __name__ == "__main__":
    main()
