"""The command `ichmonai`."""

from typing import Annotated

import typer

from ichmonai import __version__
from ichmonai.commands.audit import audit
from ichmonai.commands.benchmark import benchmark
from ichmonai.commands.bundle import bundle
from ichmonai.commands.check_bundle import check_bundle
from ichmonai.commands.crossval import crossval
from ichmonai.commands.demo import demo
from ichmonai.commands.drift import drift
from ichmonai.commands.evaluate import evaluate
from ichmonai.commands.export import export
from ichmonai.commands.feedback import feedback
from ichmonai.commands.label import label
from ichmonai.commands.merge import merge
from ichmonai.commands.node import node
from ichmonai.commands.phantom import phantom
from ichmonai.commands.predict import predict
from ichmonai.commands.review import review
from ichmonai.commands.serve import serve
from ichmonai.commands.train import train

app = typer.Typer(
    help="Find intracerebral haemorrhage on head CT and say where it is. Research software; not for clinical use.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command()(predict)
app.command()(serve)
app.command()(node)
app.command()(merge)
app.command()(review)
app.command()(train)
app.command()(evaluate)
app.command()(drift)
app.command()(benchmark)
app.command()(export)
app.command()(audit)
app.command()(crossval)
app.command()(bundle)
app.command()(check_bundle)
app.command()(demo)
app.command()(phantom)
app.add_typer(feedback, name="feedback")
app.add_typer(label, name="label")
