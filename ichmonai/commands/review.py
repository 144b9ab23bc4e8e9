"""The command ``ichmonai review``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.serve import TOKEN, token_of
from ichmonai.commands.stop import stop, stoppable
from ichmonai.errors import InputError


def review(
    data: Annotated[Path, typer.Argument(exists=True, help="Dataset: a folder, csv or datalist; see training.md.")],
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="csv file of the decisions; review.csv beside the data.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8043,
    token_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help=f"File with a token; or the variable {TOKEN}.")
    ] = None,
) -> None:
    """Show a dataset's slices on a web page of this machine, to keep, reject or relabel before training on them."""
    try:
        try:
            from ichmonai.serve.review import serve_review
        except ModuleNotFoundError as error:
            raise InputError(
                f'The page needs {error.name}, which is not installed; run pip install "ichmonai[serve]".'
            ) from error
        from ichmonai.datasets import load_datalist
        from ichmonai.serve.sheets import Sheets

        folder = (data if data.is_dir() else data.parent).absolute()
        file = (out or folder / "review.csv").absolute()
        sheets = Sheets(load_datalist(data), folder, file)
        console = Console(stderr=True)
        training = f"ichmonai train {shlex.quote(str(data))} --out RUN --review {shlex.quote(str(file))}"
        console.print(
            f"{len(sheets.items)} slices are at http://127.0.0.1:{port}; Ctrl-C ends it.",
            highlight=False,
            soft_wrap=True,
        )
        with stoppable(f"The review is in {file}; the same command goes on, and training takes it: {training}"):
            serve_review(sheets, token_of(token_file), port)
    except InputError as error:
        stop(error, 2)
