"""Cross-validate the bundle's training: every patient is tested once, by a network that has not seen them.

Patients are divided into folds, stratified by their rarest class; those who share an image stay together. Each fold is
trained and evaluated by the bundle's own configs in a process of its own, and its predictions of its test patients are
pooled and evaluated like any others:

    python scripts/crossval.py --data DIR --out DIR --folds 5 --set precision=bf16

It leaves in --out

- `predictions.csv`: every slice, predicted by the network of the fold that its patient was left out of (`fold`).
- `report.html`, `metrics.json`, `metrics.csv`: what `ichmonai evaluate` makes of them.
- `folds.csv`: each metric in every fold, mean and standard deviation of the folds, and pooled with its interval.
- `crossval.md`: the main ones, to read.
- `fold_1/` and so on: a training each, with its split, weights, calibration and evaluation.

Run the same command again to go on after an interruption: folds that are evaluated are kept, and a training continues
after its last whole epoch. With --fold N it does that fold alone, so that several run at once. Research software; not
for clinical use.
"""

import argparse
import contextlib
import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigParser

from ichmonai.datasets import make_folds, write_splits
from ichmonai.datasets.item import has_rsna_labels
from ichmonai.errors import InputError
from ichmonai.evaluation import Evaluation, evaluate, write_evaluation
from ichmonai.evaluation.intervals import RESAMPLES
from ichmonai.notice import NOTICE
from ichmonai.paths import bundle_root
from ichmonai.tables import write_csv

FIXED = ("bundle_root", "dataset_dir", "output_dir", "ckpt_path", "evaluation_dir", "resume", "seed", "split")
FIXED += ("split_fractions",)
SHOWN = ("ich_auc", "ich_sensitivity", "ich_specificity", "ich_balanced_accuracy", "ich_log_loss")
SHOWN += ("location_balanced_accuracy", "location_accuracy", "location_log_loss")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        prepare(options)
        for fold in [options.fold] if options.fold else range(1, options.folds + 1):
            run_fold(options, fold)
        if not options.fold:
            pool(options)
    except InputError as error:
        print(f"crossval: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="dataset, as dataset_dir of train.json")
    parser.add_argument("--out", type=Path, required=True, help="folder of the folds and of the pooled results")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--validation", type=float, default=0.15, help="share of the patients of each fold's training")
    parser.add_argument("--seed", type=int, default=0, help="of the folds and of each training")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help="of the patients, for the intervals")
    parser.add_argument("--fold", type=int, help="this fold alone, without pooling")
    parser.add_argument(
        "--config", nargs="+", default=["train"], metavar="NAME", help="configs of the bundle: train, or dtvit"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="settings of train.json"
    )
    options = parser.parse_args(arguments)
    options.settings = dict(one.partition("=")[::2] for one in options.set)
    if options.fold and not 1 <= options.fold <= options.folds:
        parser.error(f"--fold {options.fold}: there are {options.folds} folds")
    if any("=" not in one for one in options.set):
        parser.error("--set takes KEY=VALUE")
    if fixed := sorted(options.settings.keys() & set(FIXED)):
        parser.error(f"--set {fixed[0]}: the cross-validation decides this itself")
    return options


def prepare(options: argparse.Namespace) -> None:
    """Make the folds and write the split of each, or check that this is the command that made them."""
    record = {
        "notice": NOTICE,
        "data": str(options.data.resolve()),
        "folds": options.folds,
        "validation": options.validation,
        "seed": options.seed,
        "configs": options.config,
        "settings": options.settings,
    }
    path = options.out / "crossval.json"
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != record:
            raise InputError(f"{path} is of another command; repeat that one to go on, or use another --out.")
        return
    parser = ConfigParser()
    with contextlib.chdir(bundle_root()):  # where configs take parts of one another from
        parser.read_config(config_files(options))
        parser.parse()
    parser.update({**options.settings, "dataset_dir": str(options.data.resolve())})
    items = parser.get_parsed_content("readable")
    if has_rsna_labels(items[0]):
        raise InputError(f"{options.data} has RSNA's labels; cross-validation is of the network with two heads.")
    for fold, splits in enumerate(make_folds(items, options.folds, options.validation, options.seed), 1):
        write_splits(items, splits, folder(options, fold) / "split.json", fractions(options), options.seed)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def run_fold(options: argparse.Namespace, fold: int) -> None:
    """Train and evaluate one fold, unless its evaluation is there."""
    here = folder(options, fold)
    if (here / "evaluation" / "run.json").is_file():  # which is the last file of an evaluation
        print(f"fold {fold} of {options.folds}: evaluated before", flush=True)
        return
    settings = {
        **options.settings,
        "dataset_dir": str(options.data.resolve()),
        "output_dir": str(here.resolve()),
        "seed": str(options.seed),
        "split_fractions": json.dumps(fractions(options)),
    }
    for run_id, names, more in (
        ("training", (), {"resume": "True"}),
        ("evaluating", ("evaluate",), {}),
    ):
        print(f"fold {fold} of {options.folds}: {run_id}", flush=True)
        files = str(config_files(options, *names))
        command = [sys.executable, "-P", "-m", "monai.bundle", "run", run_id, "--config_file", files]
        command += [part for key, value in {**settings, **more}.items() for part in (f"--{key}", value)]
        if subprocess.run(command, check=False, cwd=bundle_root()).returncode:
            raise InputError(f"{run_id} of fold {fold} failed, its messages are above; mend it and run this again.")


def pool(options: argparse.Namespace) -> None:
    """Evaluate what all folds predicted of the patients that they left out."""
    rows: list[dict[str, Any]] = []
    for fold in range(1, options.folds + 1):
        with (folder(options, fold) / "evaluation" / "predictions.csv").open(newline="", encoding="utf-8") as file:
            rows += [{"fold": fold, **row} for row in csv.DictReader(file)]
    write_csv(options.out / "predictions.csv", rows[0], rows)
    pooled = evaluate(options.out / "predictions.csv", resamples=options.resamples, split="out of fold")
    write_evaluation(pooled, options.out)
    table = list(compare(options, pooled))
    write_csv(options.out / "folds.csv", table[0], table)
    (options.out / "crossval.md").write_text(page(options, pooled, table), encoding="utf-8")
    print(f"Look at {options.out / 'crossval.md'} and {options.out / 'report.html'}. {NOTICE}")


def compare(options: argparse.Namespace, pooled: Evaluation) -> Iterator[dict[str, Any]]:
    """A row for each level and metric: every fold, their mean and standard deviation, and all folds as one."""
    records = []
    for fold in range(1, options.folds + 1):
        path = folder(options, fold) / "evaluation" / "metrics.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        records.append({record["level"]: record, **record["levels"]})
    for level, result in pooled.levels.items():
        for head, found in result.heads.items():
            for name, one in found.metrics.items():
                metric = f"{head}_{name}"
                values = [record[level]["metrics"][metric]["value"] for record in records]
                defined = [math.nan if value is None else value for value in values]
                yield {
                    "level": level,
                    "metric": metric,
                    **{f"fold_{fold}": cell(value) for fold, value in enumerate(defined, 1)},
                    "mean": cell(float(np.mean(defined))),
                    "sd": cell(float(np.std(defined, ddof=1))),
                    "pooled": cell(one.value),
                    "pooled_low": cell(one.low),
                    "pooled_high": cell(one.high),
                }


def page(options: argparse.Namespace, pooled: Evaluation, table: Sequence[dict[str, Any]]) -> str:
    """The main metrics as Markdown."""
    names = [f"fold_{fold}" for fold in range(1, options.folds + 1)]
    lines = [
        f"# Cross-validation in {options.folds} folds of patients",
        "",
        f"{NOTICE} Seed {options.seed}; {options.validation:g} of the patients outside the test fold choose the epoch. "
        "Mean and standard deviation (SD) are of the folds. Pooled: all predictions as one sample, each by the network "
        "that had not seen the patient, as predicted and without temperature; 95% intervals resample patients "
        f"{pooled.resamples:,} times. They take the networks as given: how much another training would change them is "
        "what the folds show.",
    ]
    for level, result in pooled.levels.items():
        head = result.heads["ich"]
        lines += ["", f"## {level.capitalize()} level: {head.n} of {head.patients} patients", ""]
        lines += [f"Probability of a {level}: {result.cases.rule}.", ""] if level != "slice" else []
        lines += [
            "| | " + " | ".join([*(name.replace("_", " ") for name in names), "mean", "SD", "pooled (95%)"]) + " |"
        ]
        lines += ["| --- " * (len(names) + 4) + "|"]
        for row in table:
            if row["level"] == level and row["metric"] in SHOWN:
                cells = [digits(row[name]) for name in (*names, "mean", "sd")]
                interval = f"{digits(row['pooled'])} ({digits(row['pooled_low'])} to {digits(row['pooled_high'])})"
                lines.append("| " + " | ".join([row["metric"].replace("_", " "), *cells, interval]) + " |")
    return "\n".join(lines) + "\n"


def config_files(options: argparse.Namespace, *more: str) -> list[str]:
    """Those of a training, and more of the bundle's."""
    return [f"configs/{name}.json" for name in (*options.config, *more)]


def folder(options: argparse.Namespace, fold: int) -> Path:
    return options.out / f"fold_{fold}"


def fractions(options: argparse.Namespace) -> list[float]:
    """Shares of the splits, for the record and for the comparison that a training makes with it."""
    test = 1 / options.folds
    validation = (1 - test) * options.validation
    return [round(part, 6) for part in (1 - test - validation, validation, test)]


def cell(value: float) -> float | str:
    return "" if math.isnan(value) else value


def digits(value: float | str) -> str:
    return "undefined" if value == "" else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
