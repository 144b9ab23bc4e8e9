"""The command `ichmonai`."""

import typer

from ichmonai import __version__
from ichmonai.datasets.phantom.command import phantom
from ichmonai.demo import demo

app = typer.Typer(
    help="Find intracerebral haemorrhage on head CT and say where it is. Research software; not for clinical use.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(demo)
app.command()(phantom)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
