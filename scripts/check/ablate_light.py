"""Train the light network with parts of its recipe left out or added, and judge all by the same slices.

Each variant is trained by the bundle's own configs on the training patients, in a process of its own, and judged on

- the validation patients' slices as they are;
- the same with counterfactuals: every bleeding also erased, every normal slice also with a bleeding, so that only the
  blood tells the classes apart. What the bundle does is decided by this column;
- the normal ones with bleedings between brain and skull drawn;
- the counterfactual ones as 8-bit images of other windows, of a level and width that is not known;
- these with noise, as of thinner slices;
- these with the head turned and beside the middle of the square;
- sets from elsewhere, if given.

    python -m scripts.check.ablate_light --data dtvit --out RUNS --image-size 160 --epochs 2 \
        --slices head_ct_200 --studies phe

It leaves `ablation.csv` and `ablation.md` in --out, with the paired differences to the recipe as it is. What is trained
and judged is kept when the command is repeated.
Research software; not for clinical use.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

from ichmonai.datasets import read_splits
from ichmonai.evaluation.intervals import RESAMPLES, interval, resample
from ichmonai.evaluation.metrics import head_metrics, heads_estimator
from ichmonai.model_description import ModelDescription
from ichmonai.networks import load_trained
from ichmonai.networks.heads import softmax_heads
from ichmonai.notice import NOTICE
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv
from scripts.check.ablation.sets import (
    Image,
    counterfactuals,
    external_slices,
    external_studies,
    extra_axial,
    in_other_windows,
    noisy,
    slices,
    turned,
)
from scripts.check.ablation.variants import HEADS, VARIANTS

SPLIT = [0.7, 0.15, 0.15]
METRICS = {
    "validation": ("ich_auc", "location_balanced_accuracy"),
    "counterfactual": ("ich_auc", "ich_balanced_accuracy"),
    "other windows": ("ich_auc", "ich_balanced_accuracy"),
    "noisy": ("ich_auc", "ich_balanced_accuracy"),
    "turned": ("ich_auc", "ich_balanced_accuracy"),
}
"""Of a set; of others the first."""
READ = ("RemoveHeadHolderd",)
"""Beginning of the preprocessing, which the sets have behind them."""
RECIPE = "recipe"
"""The variant that the others are compared with: the bundle's own."""


class Judged(NamedTuple):
    """Slices of a set: probabilities (S, 5), labels (S, 2) and patients (S,)."""

    scores: np.ndarray
    labels: np.ndarray
    patients: np.ndarray


def main() -> None:
    options = parse()
    for name in options.variants:
        train(options, name)
    found = {name: judged(options, name) for name in options.variants}
    rows = measure(found)
    write_csv(options.out / "ablation.csv", rows[0], rows)
    (options.out / "ablation.md").write_text(page(options, rows), encoding="utf-8")
    print(f"Look at {options.out / 'ablation.md'}. {NOTICE}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="dataset, as dataset_dir of train.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--slices", type=Path, help="folder of single slices with labels.csv")
    parser.add_argument("--studies", type=Path, help="folder of whole studies with slices.csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of train.json")
    return parser.parse_args()


def train(options: argparse.Namespace, name: str) -> None:
    out = options.out / name
    if (out / "last.pt").is_file() and (out / "trained").is_file():
        print(f"{name}: trained before", flush=True)
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "overlay.json").write_text(json.dumps({**HEADS, **VARIANTS[name][1]}, indent=2), encoding="utf-8")
    settings = {
        "dataset_dir": options.data.resolve(),
        "output_dir": out.resolve(),
        "bundle_root": bundle_root(),
        "image_size": options.image_size,
        "max_epochs": options.epochs,
        "split_fractions": SPLIT,
        "seed": options.seed,
        "resume": True,
        **dict(one.partition("=")[::2] for one in options.set),
    }
    files = str([str(bundle_root() / "configs" / "train.json"), str(out / "overlay.json")])
    command = [sys.executable, "-P", "-m", "monai.bundle", "run", "training", "--config_file", files]
    command += [str(part) for key, value in settings.items() for part in (f"--{key}", value)]
    print(f"{name}: training", flush=True)
    subprocess.run(command, check=True)
    (out / "trained").touch()


def judged_by(options: argparse.Namespace) -> dict[str, list[Image]]:
    """Sets of images, read once."""
    if not hasattr(options, "sets"):
        split = options.out / options.variants[0] / "split.json"
        recipe = ConfigParser()
        recipe.read_config(bundle_root() / "configs" / "train.json")
        recipe.update({"dataset_dir": str(options.data)})
        validation = read_splits(recipe.get_parsed_content("readable"), split)["validation"]
        options.sets = {"validation": list(slices(validation))}
        options.sets["counterfactual"] = list(counterfactuals(options.sets["validation"]))
        options.sets["extra-axial"] = list(extra_axial(options.sets["validation"]))
        options.sets["other windows"] = list(in_other_windows(options.sets["counterfactual"]))
        options.sets["noisy"] = list(noisy(options.sets["counterfactual"]))
        options.sets["turned"] = list(turned(options.sets["counterfactual"]))
        if options.slices:
            options.sets[options.slices.name] = list(external_slices(options.slices))
        if options.studies:
            options.sets[options.studies.name] = list(external_studies(options.studies))
    return options.sets


def judged(options: argparse.Namespace, name: str) -> dict[str, Judged]:
    """What a variant says of every set, in this run or an earlier one."""
    record = options.out / name / "judged.npz"
    if not record.is_file():
        found = judge(options, name, judged_by(options))
        arrays = {f"{one}/{what}": array for one, judged in found.items() for what, array in judged._asdict().items()}
        np.savez_compressed(record, **arrays)
    with np.load(record) as arrays:
        names = dict.fromkeys(path.partition("/")[0] for path in arrays)
        return {one: Judged(*(arrays[f"{one}/{what}"] for what in Judged._fields)) for one in names}


def judge(options: argparse.Namespace, name: str, sets: dict[str, list[Image]]) -> dict[str, Judged]:
    """The slices of every set whose truth is known."""
    weights = options.out / name / "model.pt"
    description = ModelDescription.beside(weights)
    network = load_trained(description.create_network(), weights).eval().to(memory_format=torch.channels_last)
    chain = Compose([one for one in description.transforms() if type(one).__name__ not in READ])
    found = {}
    for one, images in sets.items():
        scores = np.concatenate([predict(network, chain, image) for image in images])
        labels = np.concatenate([image.labels for image in images])
        patients = np.repeat([image.patient for image in images], [len(image.labels) for image in images])
        known = labels[:, 0] >= 0
        found[one] = Judged(scores[known], labels[known], patients[known])
        print(name, one, flush=True)
    return found


def measure(found: Mapping[str, Mapping[str, Judged]]) -> list[dict[str, Any]]:
    """A row for each variant, set and metric, with the difference to the recipe in the same draws of the patients."""
    all_draws = {name: {one: draws(judged) for one, judged in sets.items()} for name, sets in found.items()}
    rows = []
    for name, sets in found.items():
        for one, judged in sets.items():
            values = head_metrics(judged.scores, judged.labels)
            for metric in METRICS.get(one, ("ich_auc",)):
                low, high = interval(all_draws[name][one][metric])
                row = {"variant": name, "set": one, "slices": len(judged.labels), "patients": len(set(judged.patients))}
                row |= {"metric": metric, "value": values[metric], "low": low, "high": high}
                if RECIPE in found:
                    difference = values[metric] - head_metrics(*found[RECIPE][one][:2])[metric]
                    low, high = interval(all_draws[name][one][metric] - all_draws[RECIPE][one][metric])
                    row |= {"difference": difference, "difference_low": low, "difference_high": high}
                rows.append(row)
    return rows


def draws(judged: Judged) -> dict[str, np.ndarray]:
    """Metrics in draws of the patients, which are the same for all who judged the same slices."""
    names, patient = np.unique(judged.patients, return_inverse=True)
    return resample(heads_estimator(judged.scores, judged.labels, patient, len(names)), len(names), RESAMPLES)


@torch.inference_mode()
def predict(network: torch.nn.Module, chain: Compose, image: Image) -> np.ndarray:
    """Probabilities (S, 5) of the slices of an image; normal where inference would not classify."""
    result = np.tile(np.array([1, 0, 1 / 3, 1 / 3, 1 / 3]), (len(image.labels), 1))
    kept = image.classified
    if kept.any():
        hu = image.hu if image.hu.ndim == 3 else image.hu[..., torch.from_numpy(kept)]
        inputs = torch.as_tensor(chain({"image": hu})["image"])
        batch = inputs[None] if inputs.ndim == 3 else inputs.movedim(-1, 0)
        batch = batch.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = torch.cat([network(part).float() for part in batch.split(16)])
        result[kept] = softmax_heads(logits)[:, :5].numpy()
    return result


def page(options: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> str:
    counts = "; ".join(
        f"{name}: {row['slices']} slices of {row['patients']} patients"
        for name in dict.fromkeys(row["set"] for row in rows)
        for row in [next(row for row in rows if row["set"] == name)]
    )
    lines = [
        f"{NOTICE} {options.image_size} pixels, {options.epochs} epochs, seed {options.seed}, {SPLIT} of the patients; "
        f"95% intervals resample patients. {counts}.",
        "",
        *table(rows, "{value:.3f} ({low:.3f} to {high:.3f})"),
    ]
    others = [row for row in rows if row["variant"] != RECIPE and "difference" in row]
    if others:
        lines += ["", f"Less the value of {VARIANTS[RECIPE][0]!r}, in the same draws of the patients.", ""]
        lines += table(others, "{difference:+.3f} ({difference_low:+.3f} to {difference_high:+.3f})")
    return "\n".join(lines) + "\n"


def table(rows: Sequence[dict[str, Any]], cell: str) -> list[str]:
    """A line for each variant, a column for each metric of a set."""
    columns = list(dict.fromkeys((row["set"], row["metric"]) for row in rows))
    cells = {(row["variant"], row["set"], row["metric"]): cell.format(**row) for row in rows}
    lines = [
        "| | " + " | ".join(f"{name}: {metric.replace('_', ' ')}" for name, metric in columns) + " |",
        "| --- " * (len(columns) + 1) + "|",
    ]
    for name in dict.fromkeys(row["variant"] for row in rows):
        lines.append(f"| {VARIANTS[name][0]} | " + " | ".join(cells[(name, *column)] for column in columns) + " |")
    return lines


if __name__ == "__main__":
    main()
