"""The command ``ichmonai drift``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.stop import stop
from ichmonai.errors import InputError

_COLOURS = {"alarm": "bold red", "look": "yellow"}


def drift(
    results: Annotated[
        list[Path], typer.Argument(exists=True, help="Folders of predict or of a node, or studies.csv.")
    ],
    reference: Annotated[
        Path | None, typer.Option(exists=True, help="File of --save-reference, or results, of the evaluation.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for drift.html, drift.json and drift.prom.")
    ] = None,
    save_reference: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write what was found as a reference (.json); compare nothing.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option(exists=True, help="Folder of feedback export, for the agreement with readers.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Only results of so many last days.")] = None,
) -> None:
    """Say whether scans and answers are still like those of the evaluation.

    Exit code 0 if nothing is an alarm, 1 if something is, 2 if the results cannot be compared.
    """
    if save_reference is None and (reference is None or out is None):
        raise typer.BadParameter("give --reference and --out, or --save-reference alone", param_hint="--reference")
    try:
        from ichmonai.monitoring.observed import observe

        now = observe(results, days)
        if save_reference is not None:
            if save_reference.suffix != ".json":
                raise InputError(f"{save_reference} would be no JSON file; name it .json.")
            now.write(save_reference)
            Console(stderr=True).print(f"{now.inputs} inputs: {save_reference}", highlight=False, soft_wrap=True)
            return
        if reference is None or out is None:  # which was asked for above
            return
        try:
            from ichmonai.monitoring.drift import Drift, write_drift
        except ModuleNotFoundError as error:
            raise InputError(f'{error.name} is not installed; run pip install "ichmonai[pacs]".') from error
        from ichmonai.monitoring.feedback import agreement
        from ichmonai.notice import NOTICE

        found = Drift.of(observe([reference]), now, agreement(feedback) if feedback else None)
        write_drift(found, out)
    except InputError as error:
        stop(error, 2)
    except OSError as error:
        place = out or save_reference
        stop(InputError(f"Cannot write to {place} ({error.strerror}); choose another place."), 2)
    console = Console()
    for state, sentence in found.sentences:
        console.print(f"[{_COLOURS[state.value]}]{state.value}[/]", end=" ")
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if not found.sentences:
        console.print("No change was seen, as far as there are enough studies.")
    console.print(
        f"[bold]Look at[/bold] {out / 'drift.html'}; gauges for Prometheus are in drift.prom", highlight=False
    )
    console.print(NOTICE)
    if found.alarmed:
        raise typer.Exit(1)
