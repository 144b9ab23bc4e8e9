"""The command ``ichmonai feedback export``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.stop import stop
from ichmonai.errors import InputError

feedback = typer.Typer(help="What readers said on the page of ichmonai serve.", no_args_is_help=True)


@feedback.callback()
def _group() -> None:
    pass


@feedback.command()
def export(
    out: Annotated[Path, typer.Argument(help="New folder.")],
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the server, as serve has it.")],
) -> None:
    """Write readings with their images as data to train and to evaluate on; the server may run meanwhile."""
    try:
        try:
            from ichmonai.serve.export import export_readings
            from ichmonai.serve.store import Store
        except ModuleNotFoundError as error:
            raise InputError(f'{error.name} is not installed; run pip install "ichmonai[serve]".') from error
        if not (data / "serve.sqlite").is_file():
            raise InputError(f"{data} is no folder of ichmonai serve; give the one that it was started with.")
        counts = export_readings(Store(data.absolute()), out)
    except InputError as error:
        stop(error, 2)
    console = Console(stderr=True)
    said = f"{counts.studies} studies that were read, {counts.slices} labelled slices"
    if counts.without_slices:
        said += f"; {counts.without_slices} without, since nobody said which slices show the haemorrhage"
    if counts.disputed:
        said += f"; {counts.disputed} left out, since their readers differ"
    console.print(f"{said}: {out}", highlight=False, soft_wrap=True)
