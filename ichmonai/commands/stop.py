"""How a command ends that cannot do what it was asked for."""

from typing import NoReturn

import typer
from rich.console import Console

from ichmonai.errors import InputError


def stop(error: InputError, code: int) -> NoReturn:
    """Show an error's sentence in red on standard error, and end with an exit code."""
    Console(stderr=True).print(f"ichmonai: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code) from error
