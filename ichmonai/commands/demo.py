"""The main job on phantom data, from nothing to results, in a few minutes."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ichmonai.commands.phantom import PhantomFormat, phantom
from ichmonai.paths import bundle_root
from ichmonai.processes.safe_path import safe_environment

_SHOWN = ("ich_auc", "ich_accuracy", "location_accuracy", "location_balanced_accuracy")


def demo(
    out: Annotated[Path, typer.Argument(help="New folder for the phantom data and all results.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="Phantom patients to train and test on.", min=24)] = 40,
) -> None:
    """Train, evaluate and run DTViT on phantom head CT; the commands that do it are shown as they run."""
    from ichmonai.datasets.phantom import PhantomKind, make_study, write_dicom

    console = Console()
    if out.exists() and any(out.iterdir()):
        console.print(f"[red]{out} is not empty; give a new folder.[/red]", soft_wrap=True)
        raise typer.Exit(2)
    console.print(f"[bold]1/4[/bold] Drawing {patients} phantom patients into {out / 'data'}")
    phantom(out / "data", patients, PhantomFormat.DTVIT, seed=0, size=192)
    (out / "study").mkdir()
    write_dicom(out / "study", [make_study(10_000, kind=PhantomKind.DEEP)])

    here = out.resolve()
    data = ["--dataset_dir", str(here / "data")]
    run = ["--output_dir", str(here / "training")]
    console.print("[bold]2/4[/bold] Training")
    _bundle(console, "training", ["dtvit", "demo"], *data, *run)
    console.print("[bold]3/4[/bold] Evaluating on patients that the training did not see")
    _bundle(console, "evaluating", ["dtvit", "evaluate", "demo"], *data, *run)
    console.print("[bold]4/4[/bold] Predicting the DICOM study")
    weights = ["--ckpt_path", str(here / "training" / "model.pt")]
    prediction = ["--dataset_dir", str(here / "study"), "--output_dir", str(here / "predictions")]
    _bundle(console, "inference", ["inference"], *prediction, *weights)
    _show(console, out)


def _bundle(console: Console, run_id: str, configs: list[str], *options: str) -> None:
    files = [f"configs/{name}.json" for name in configs]
    command = ["-P", "-m", "monai.bundle", "run", run_id]
    command += ["--config_file", files[0] if len(files) == 1 else str(files), *options]
    shown = " ".join(f'"{part}"' if " " in part else part for part in command)
    console.print(f"[dim]cd {bundle_root()}\npython {shown}[/dim]")
    done = subprocess.run([sys.executable, *command], env=safe_environment(), check=False, cwd=bundle_root())  # noqa: S603  this interpreter, no shell
    if done.returncode:
        console.print(f"[red]{run_id} failed; its messages are above.[/red]")
        raise typer.Exit(1)


def _show(console: Console, out: Path) -> None:
    record = json.loads((out / "training" / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    table = Table(title=f"Test split: {record['slices']} slices of {record['patients']} phantom patients")
    for column in ("metric", "value", "95% interval"):
        table.add_column(column)
    for name in _SHOWN:
        metric = record["metrics"][name]
        table.add_row(name, _number(metric["value"]), " to ".join(map(_number, metric["interval_95"] or ())))
    console.print(table)
    with (out / "predictions" / "studies.csv").open(newline="", encoding="utf-8") as file:
        study = next(csv.DictReader(file))
    console.print(f"The phantom study has a deep haemorrhage; predicted: ICH {study['p_ich']}, deep {study['p_deep']}.")
    console.print(f"[bold]Look at[/bold] {out / 'training' / 'curves.png'}  loss and accuracy by epoch")
    console.print(f"        {out / 'training' / 'evaluation'}  metrics, confusion matrices, predictions of every slice")
    console.print(f"        {out / 'predictions'}  studies.csv and slices.csv of the DICOM study")
    console.print(
        "Phantom data, and a transformer trained for a minute from random weights: expect it to know little. The "
        "numbers show that the software works, and nothing about patients."
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
