"""The command ``ichmonai merge``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.stop import stop
from ichmonai.errors import InputError


def merge(
    out: Annotated[Path, typer.Argument(help="The --out that all shards were given.")],
    format: Annotated[str, typer.Option(help="Tables as csv, jsonl, parquet, or several: csv,parquet.")] = "csv",
    masks: Annotated[
        bool, typer.Option("--masks", help="The masks of the blood too, where the weights make them.")
    ] = False,
    report_templates: Annotated[
        str, typer.Option(metavar="FILE", help="Language (en, de) or toml file of the report in words.")
    ] = "en",
) -> None:
    """Put the tables of all shards of a prediction together."""
    from ichmonai.commands.predict import output_names
    from ichmonai.prediction.merge import merge_shards
    from ichmonai.prediction.report.templates import read_templates

    try:
        formats = (*output_names(format), *(("masks",) if masks else ()))
        shards = merge_shards(out, formats, read_templates(report_templates))
    except InputError as error:
        stop(error, 2)
    Console(stderr=True).print(f"Merged {shards} shards; tables: {out}", soft_wrap=True)
