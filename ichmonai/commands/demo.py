"""What ichmonai does, on phantom data: the shipped weights answer first, then a network is trained."""

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.phantom import PhantomFormat, phantom
from ichmonai.commands.predict import predict
from ichmonai.commands.train import train


def demo(
    out: Annotated[Path, typer.Argument(help="New folder for the phantom data and all results.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="Phantom patients to train and test on.", min=24)] = 24,
    only_predict: Annotated[bool, typer.Option("--only-predict", help="Stop before the training.")] = False,
) -> None:
    """Find haemorrhages on phantom head CT with the shipped weights, then train on phantoms; shows the commands."""
    from ichmonai.datasets.phantom import PhantomKind, make_study, write_nifti

    console = Console(stderr=True)
    if out.exists() and any(out.iterdir()):
        console.print(f"[red]{out} is not empty; give a new folder.[/red]", soft_wrap=True)
        raise typer.Exit(2)
    studies = out / "studies"
    studies.mkdir(parents=True, exist_ok=True)
    console.print(f"[bold]1/2[/bold] Six phantom patients, whose truth is known; the shipped weights answer: {studies}")
    kinds = [PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL, *[PhantomKind.NORMAL] * 3]
    cohort = (make_study(number, kind, 320, f"phantom_{number}_{kind.value}") for number, kind in enumerate(kinds, 1))
    write_nifti(studies, cohort)
    _say(console, f"ichmonai predict {studies} --out {out / 'answers'}")
    predict([studies], out / "answers")
    _compare(console, out / "answers" / "studies.csv")
    if only_predict:
        return
    console.print(
        f"[bold]2/2[/bold] Now a training, on {patients} other phantom patients (some minutes; Ctrl-C leaves it at "
        "that): it goes on from the shipped weights, and is judged on patients that it has not seen.",
        highlight=False,
    )
    _say(console, f"ichmonai phantom {out / 'data'} --format dtvit --patients {patients} --size 192")
    phantom(out / "data", patients, PhantomFormat.DTVIT, seed=100, size=192)
    _say(console, f"ichmonai train {out / 'data'} --out {out / 'training'} --config train --config demo")
    train([out / "data"], out / "training", ["train", "demo"])
    console.print("Phantom data: the numbers show that the software works, and say nothing about patients.")


def _say(console: Console, command: str) -> None:
    console.print(f"$ {command}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _compare(console: Console, table: Path) -> None:
    """Say how the answers compare with the truth, which the names of the phantom's files tell."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = [("normal" not in row["path"], row["outcome"] == "positive") for row in rows]
    console.print(
        f"Of the phantoms with a haemorrhage, {sum(is_there and found for is_there, found in said)} of "
        f"{sum(is_there for is_there, _ in said)} were found; of the normal ones, "
        f"{sum(found for is_there, found in said if not is_there)} of {sum(not is_there for is_there, _ in said)} were "
        "called positive.",
        style="bold",
        highlight=False,
    )
