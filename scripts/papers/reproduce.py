"""Repeat tables and figures of the two papers, as published and with the patients kept apart.

    python -m scripts.papers.reproduce table4 --data DIR --out DIR
    python -m scripts.papers.reproduce all --data DIR --rsna DIR --out DIR --seeds 0 1 2

Trains with the bundle's own configs and defaults, which are the paper's; every option that makes it smaller is named in
the table. All commands may share a folder: a training that tables have in common is made once, and one that is there
already is not made again. The folder OUT gets, after each training, `<table>.csv` with every metric, its interval and
the paper's number, `<table>.md` (`page.md` of all), the figures, and `trainings.csv` with what each took and on what.
A killed command goes on where it was when it is repeated. `--dry-run` trains nothing: it writes what is there, and
what the rest costs.
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError, show_input_errors_plainly
from scripts.papers.reproduction import protocols
from scripts.papers.reproduction.experiments import EXPERIMENTS
from scripts.papers.reproduction.options import PAPER_BACKBONE, PAPER_EPOCHS, PAPER_IMAGE_SIZE, Options
from scripts.papers.reproduction.page import PAGE
from scripts.papers.reproduction.plan import Plan
from scripts.papers.reproduction.runs import train_and_evaluate

ALL = "all"


def reproduce(name: str, options: Options, dry_run: bool = False) -> None:
    """Train what is not yet trained, and write tables and page after each training.

    Args:
        name: one of `EXPERIMENTS`, or `ALL`.
        options: what to do.
        dry_run: write what is there already, and train nothing.

    Raises:
        InputError: the data cannot be used, or the options do not fit.
    """
    plan = Plan(list(EXPERIMENTS) if name == ALL else [name], options, whole=name == ALL)
    missing = plan.missing()
    print(f"{len(plan.trainings) - len(missing)} of {len(plan.trainings)} trainings are there.", flush=True)
    if not missing or dry_run:
        print(plan.write())
        return
    for number, (run, split, folder) in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {folder.name}", flush=True)
        train_and_evaluate(run, split, folder)
        print(plan.write(), flush=True)


def main() -> None:
    show_input_errors_plainly()
    name, options, dry_run = parse(sys.argv[1:])
    reproduce(name, options, dry_run)


def parse(arguments: Sequence[str]) -> tuple[str, Options, bool]:
    """The name of the experiment, its options and whether nothing is to be trained, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "table", choices=(ALL, *EXPERIMENTS), help=f"{ALL}: whatever --data and --rsna allow, and {PAGE}"
    )
    parser.add_argument("--data", type=Path, help="the DTViT data set, for its tables")
    parser.add_argument(
        "--rsna", type=Path, help="for Scopeformer's: RSNA 2019's folder, or a csv of slices with their kinds"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results, and of what is needed to go on")
    parser.add_argument("--protocol", choices=("both", *protocols.PROTOCOLS), default="both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the trainings; a number is their mean")
    parser.add_argument("--split-seed", type=int, default=0, help="of the split, which all trainings share")
    parser.add_argument("--epochs", type=_count, default=PAPER_EPOCHS)
    parser.add_argument("--image-size", type=_count, default=PAPER_IMAGE_SIZE)
    parser.add_argument("--backbone", help=f"of DTViT, default {PAPER_BACKBONE}")
    parser.add_argument("--branch", help="the CNN of Scopeformer's branches, default legacy_xception")
    parser.add_argument(
        "--networks", nargs="+", help="rows of table4 (dtvit or names of create_network) or of scopeformer-table1"
    )
    parser.add_argument("--max-patients", type=_count, help="take so many, their classes in turn")
    parser.add_argument("--max-slices", type=_count, help="take so many of a patient, evenly spaced")
    parser.add_argument("--random-weights", action="store_true", help="do not start from pretrained weights")
    parser.add_argument("--imagenet-weights", type=Path, help="file for Scopeformer's branches trained so")
    parser.add_argument("--gan-weights", type=Path, help="file for Scopeformer's branches trained so")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="other parameters of the bundle, e.g. num_workers=0"
    )
    parser.add_argument(
        "--scopeformer-set", nargs="+", default=[], metavar="NAME=VALUE", help="the same, for Scopeformer alone"
    )
    parser.add_argument("--dry-run", action="store_true", help="write what is there and what the rest costs")
    args = vars(parser.parse_args(arguments))
    table, protocol, dry_run = args.pop("table"), args.pop("protocol"), args.pop("dry_run")
    chosen = protocols.PROTOCOLS if protocol == "both" else (protocol,)
    args["networks"] = tuple(args["networks"]) if args["networks"] else None
    args["seeds"] = tuple(dict.fromkeys(args["seeds"]))
    settings = dict(map(_setting, args.pop("set")))
    own = settings | dict(map(_setting, args.pop("scopeformer_set")))
    return table, Options(protocols=chosen, settings=settings, scopeformer_settings=own, **args), dry_run


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
