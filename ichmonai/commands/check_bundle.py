"""The command ``ichmonai check-bundle``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ichmonai.commands.stop import stop
from ichmonai.errors import InputError, printable

_LONGEST = 120


def check_bundle(
    path: Annotated[Path, typer.Argument(help="Folder or zip of a MONAI bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything found, as JSON on standard output.")] = False,
) -> None:
    """List what a bundle would import, call and evaluate, without doing any of it.

    Exit code: 0 when all of it is known to be harmless, 1 when something is not, 2 for wrong usage.
    """
    from ichmonai.trust.contents import contents

    try:
        found = contents(path)
    except InputError as error:
        stop(error, 2)
    refused = [one for one in found if one.refusal]
    if as_json:
        typer.echo(json.dumps({"allowed": not refused, "contents": [one._asdict() for one in found]}))
    else:
        table = Table("file", "kind", "place", "what", "not allowed since it")
        for one in sorted(found, key=lambda one: not one.refusal):
            cells = (Text(printable(text[:_LONGEST])) for text in one)  # no markup
            table.add_row(*cells, style="red" if one.refusal else None)
        console = Console()
        console.print(table)
        console.print(f"{len(found)} found, {len(refused)} of them not known to be harmless.", highlight=False)
    raise typer.Exit(1 if refused else 0)
