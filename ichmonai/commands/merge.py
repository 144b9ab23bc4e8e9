"""The command ``ichmonai merge``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.errors import InputError


def merge(
    out: Annotated[Path, typer.Argument(help="The --out that all shards were given.")],
    format: Annotated[str, typer.Option(help="Tables as csv, jsonl, parquet, or several: csv,parquet.")] = "csv",
) -> None:
    """Put the tables of all shards of a prediction together."""
    from ichmonai.batch.merge import merge_shards
    from ichmonai.commands.predict import table_formats

    console = Console(stderr=True)
    try:
        shards = merge_shards(out, table_formats(format))
    except InputError as error:
        console.print(f"ichmonai: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    console.print(f"Merged {shards} shards; tables: {out}", soft_wrap=True)
