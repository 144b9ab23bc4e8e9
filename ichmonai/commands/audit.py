"""The command ``ichmonai audit``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ichmonai.commands.stop import stop

_COLOURS = {"ok": "green", "warning": "yellow", "serious": "bold red", "not checked": "dim"}


def audit(
    datalist: Annotated[Path, typer.Argument(help="DTViT or RSNA folder, slices.csv, or MONAI datalist (.json).")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for audit.html and audit.json.")],
    split: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="split.json that a training wrote.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="Read no more images than this; of larger datasets, patients are drawn.")
    ] = 20_000,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print audit.json instead of a table.")] = False,
) -> None:
    """Say what is wrong with a dataset before anyone trains on it.

    Exit code 0 if nothing serious was found, 1 if something was, 2 if the dataset cannot be audited.
    """
    from ichmonai.audit import Verdict, judge, worst, write_audit
    from ichmonai.audit import audit as run
    from ichmonai.errors import InputError
    from ichmonai.notice import NOTICE

    try:
        result = run(datalist, split, images, workers, seed)
        write_audit(result, out)
    except InputError as error:
        stop(error, 2)
    except OSError as error:
        stop(InputError(f"Cannot write to {out} ({error.strerror}); choose another folder."), 2)
    findings = judge(result)
    if as_json:
        typer.echo((out / "audit.json").read_text(encoding="utf-8"), nl=False)
    else:
        table = Table("", "Verdict", "", title=f"{result.counts.images} images of {result.counts.patients} patients")
        for finding in findings:
            colour = _COLOURS[finding.verdict.value]
            table.add_row(finding.name, f"[{colour}]{finding.verdict.value}[/{colour}]", finding.sentence)
        console = Console()
        console.print(table)
        console.print(f"[bold]Look at[/bold] {out / 'audit.html'}; all numbers are in audit.json", highlight=False)
        console.print(NOTICE)
    if worst(findings) is Verdict.SERIOUS:
        raise typer.Exit(1)
