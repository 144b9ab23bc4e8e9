"""Repeat a table or figure of the two papers, as published and with the patients kept apart.

    python -m scripts.papers.reproduce table4 --data DIR --out DIR

Trains with the bundle's own configs and defaults, which are the paper's; every option that makes it smaller is named in
the table. The folder OUT gets `<table>.csv`, with every metric, its interval and the paper's number, and `<table>.md`.
Both are written after each training. A killed command goes on where it was when it is repeated.
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError, show_input_errors_plainly
from scripts.papers.reproduction import protocols
from scripts.papers.reproduction.experiments import (
    EXPERIMENTS,
    PAPER_BACKBONE,
    PAPER_EPOCHS,
    PAPER_IMAGE_SIZE,
    Experiment,
    Options,
)
from scripts.papers.reproduction.runs import claim, train_and_evaluate
from scripts.papers.reproduction.tables import Line, lines_of, write_tables


def reproduce(name: str, options: Options) -> None:
    """Train what is not yet trained, and write the tables after each training.

    Args:
        name: one of `EXPERIMENTS`.
        options: what to do.

    Raises:
        InputError: the data cannot be used, the options do not fit, or the folder is of an experiment with others.
    """
    experiment = EXPERIMENTS[name]
    entries = experiment.entries(options)
    for part in ("splits", "runs"):
        (options.out / part).mkdir(parents=True, exist_ok=True)
    splits = _splits(experiment, options, {entry.run.split_name: entry.run for entry in entries})
    notes = _notes(experiment, options, splits)
    lines: list[Line] = []
    for number, entry in enumerate(entries, 1):
        print(f"{number} of {len(entries)}: {entry.label}, {entry.run.protocol}", flush=True)
        folder = options.out / "runs" / f"{entry.run.name}-{entry.run.protocol}"
        train_and_evaluate(entry.run, splits[entry.run.split_name], folder)
        lines += lines_of(experiment, entry, folder)
        write_tables(name, experiment, lines, notes, options.out)
    print(options.out / f"{name}.md")


def _splits(experiment: Experiment, options: Options, wanted: dict[str, Any]) -> dict[str, Path]:
    """Files of the splits, made when they are not there yet."""
    folder = options.out / "splits"
    made_of = {
        "data": str(options.data.absolute()),
        "max_patients": options.max_patients,
        "max_slices": options.max_slices,
        "seed": options.seed,
    }
    claim(folder, made_of)
    paths = {name: folder / f"{name}.json" for name in wanted}
    if not all(path.is_file() for path in paths.values()):
        limits = (options.max_patients, options.max_slices, options.seed)
        items = protocols.load(options.data, options.out, experiment.rsna, *limits)
        for name, path in paths.items():
            if not path.is_file():
                protocols.write_split(path, items, wanted[name].protocol, wanted[name].replicated, options.seed)
    return paths


def _notes(experiment: Experiment, options: Options, splits: dict[str, Path]) -> list[str]:
    """Sentences on the data and on all that is not as in the paper."""
    smaller = []
    if options.image_size != PAPER_IMAGE_SIZE:
        smaller.append(f"images of {options.image_size} pixels (paper {PAPER_IMAGE_SIZE})")
    if options.epochs != PAPER_EPOCHS:
        smaller.append(f"{options.epochs} epoch(s) ({PAPER_EPOCHS})")
    if options.backbone:
        usual = "legacy_xception" if experiment.rsna else PAPER_BACKBONE
        smaller.append(f"backbone {options.backbone} ({usual})")
    if options.random_weights:
        smaller.append("random initial weights (pretrained ones)")
    if options.max_patients:
        smaller.append(f"at most {options.max_patients} patients")
    if options.max_slices:
        smaller.append(f"at most {options.max_slices} slices of a patient")
    smaller += [f"{name} {value}" for name, value in options.settings.items()]
    notes = [f"Not as in the paper: {', '.join(smaller)}." if smaller else "Size, epochs and weights as in the paper."]
    if experiment.remark:
        notes.append(experiment.remark)
    for name, path in splits.items():
        notes.append(f"Split {name.replace('_', ', ')}: {protocols.describe(protocols.read_split(path))}.")
    notes.append(
        "Images split: 80/10/10 of the slices at random, after replication where there is one, last epoch judged, as "
        "published. Patients apart: 80/10/10 of the patients, balancing of the training part alone, best epoch on the "
        "validation patients judged (of a curve, the last)."
    )
    notes.append(f"In brackets: 95% intervals from drawing the judged patients. Seed {options.seed}.")
    return notes


def main() -> None:
    show_input_errors_plainly()
    reproduce(*parse(sys.argv[1:]))


def parse(arguments: Sequence[str]) -> tuple[str, Options]:
    """The name of the experiment and its options, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, required=True, help="dataset; RSNA 2019's folder for scopeformer-table1")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results, and of what is needed to go on")
    parser.add_argument("--protocol", choices=("both", *protocols.PROTOCOLS), default="both")
    parser.add_argument("--epochs", type=_count, default=PAPER_EPOCHS)
    parser.add_argument("--image-size", type=_count, default=PAPER_IMAGE_SIZE)
    parser.add_argument("--backbone", help=f"of DTViT, default {PAPER_BACKBONE}; or the CNN of Scopeformer's branches")
    parser.add_argument(
        "--networks", nargs="+", help="rows of table4 (dtvit or names of create_network) or of scopeformer-table1"
    )
    parser.add_argument("--max-patients", type=_count, help="take so many, their classes in turn")
    parser.add_argument("--max-slices", type=_count, help="take so many of a patient, evenly spaced")
    parser.add_argument("--random-weights", action="store_true", help="do not start from pretrained weights")
    parser.add_argument("--imagenet-weights", type=Path, help="file for Scopeformer's branches trained so")
    parser.add_argument("--gan-weights", type=Path, help="file for Scopeformer's branches trained so")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="other parameters of the bundle, e.g. batch_size=16"
    )
    args = vars(parser.parse_args(arguments))
    table, protocol, settings = args.pop("table"), args.pop("protocol"), args.pop("set")
    chosen = protocols.PROTOCOLS if protocol == "both" else (protocol,)
    args["networks"] = tuple(args["networks"]) if args["networks"] else None
    return table, Options(protocols=chosen, settings=dict(map(_setting, settings)), **args)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number of 1 or more")
    return int(text)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text} is not of the form NAME=VALUE, such as batch_size=16.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    main()
