"""The command ``ichmonai train``."""

import csv
import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ichmonai.commands.bundle_options import config_file, setting
from ichmonai.commands.stop import stop, stoppable


def train(
    data: Annotated[
        list[Path], typer.Argument(exists=True, help="Datasets: each a folder, csv or datalist; see training.md.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the weights, tables and figures.")],
    config: Annotated[
        list[str] | None,
        typer.Option(
            help="Config of the training: train (the default), dtvit, scopeformer, or a file; repeatable, "
            "each laid over those before. It is code."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of these configs, a plain value; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last whole epoch in --out.")] = False,
    review: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="csv file of ichmonai review, whose decisions hold."),
    ] = None,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Judge it on the patients that were kept for that.")
    ] = True,
) -> None:
    """Train a network, judge it on patients that it has not seen, and say where everything is.

    The configs and the code are those of `monai.bundle run training` and `evaluating`, which also run on several GPUs.
    """
    from ichmonai.errors import InputError
    from ichmonai.model_description import ModelDescription
    from ichmonai.paths import bundle_root
    from ichmonai.training.workflows import config_files, run_workflow

    folders = [str(one.resolve()) for one in data]
    decided = {"dataset_dir": folders[0] if len(folders) == 1 else str(folders), "output_dir": str(out.resolve())}
    decided |= {"review": str(review.resolve())} if review else {}
    names = config or ["train"]
    try:
        for name in names:
            config_file(bundle_root(), Path(name))
        for pair in settings or []:
            if (key := setting(pair)[0]) in (*decided, "resume"):
                raise InputError(f"--set {key} cannot be given: an option or argument of the command says it.")
        chosen = dict(pair.partition("=")[::2] for pair in settings or []) | decided
        with stoppable("Stopped; the same command with --resume goes on."):
            run_workflow("training", config_files(names), {**chosen, "resume": str(resume)})
            judged = evaluate and _is_judged(out)
            if judged:
                run_workflow("evaluating", config_files([*names, "evaluate"]), chosen)
                if ModelDescription.beside(out / "model.pt").clinical:
                    run_workflow("weighing", config_files([*names, "evaluate"]), chosen)
    except InputError as error:
        stop(error, 1)
    _show(Console(), out, judged)


def _is_judged(out: Path) -> bool:
    """Whether the training left a network, and patients to judge it by."""
    split = json.loads((out / "split.json").read_text(encoding="utf-8"))
    return (out / "model.pt").is_file() and bool(split["splits"]["test"]["patients"])


def _show(console: Console, out: Path, judged: bool) -> None:
    from ichmonai.model_description import ModelDescription
    from ichmonai.notice import NOTICE

    with (out / "epochs.csv").open(newline="", encoding="utf-8") as file:
        epochs = len(list(csv.DictReader(file)))
    if not (out / "model.pt").is_file():
        console.print(f"No epoch could be judged, so there are no weights; {out / 'epochs.csv'} has what there is.")
        raise typer.Exit(1)
    lines = {
        "weights": f"{out / 'model.pt'}, the best of {epochs} epochs; model.json says of which network",
        "table": f"{out / 'epochs.csv'}",
        "figures": ", ".join(str(path) for path in sorted(out.glob("*.png"))),
    }
    if judged:
        report = out / "evaluation" / "report.html"
        lines["unseen patients"] = str(report if report.is_file() else report.with_name("metrics.json"))
        if (weighed := report.with_name("clinical.csv")).is_file():
            lines["clinical columns"] = f"{weighed}, what each adds"
    if "location" in ModelDescription.beside(out / "model.pt").heads:
        weights = shlex.quote(str(out / "model.pt"))
        lines["predict"] = f"ichmonai predict SCANS --out RESULTS --set ckpt_path={weights}"
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    for name, text in lines.items():
        table.add_row(name, Text(text, overflow="fold"))
    console.print(table)
    console.print(NOTICE)
