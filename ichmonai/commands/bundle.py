"""The command ``ichmonai bundle``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.stop import stop
from ichmonai.errors import InputError


def bundle(
    out: Annotated[Path, typer.Argument(help="Zip to write or, with --zoo, a new folder.")],
    zoo: Annotated[
        bool, typer.Option("--zoo", help="What a pull request to MONAI's model zoo adds, as it lies in the zoo.")
    ] = False,
    large_files_url: Annotated[
        str, typer.Option(metavar="URL", help="With --zoo: where files of more than 25 MB can be downloaded from.")
    ] = "",
) -> None:
    """Write the bundle with the code that its configs name: MONAI alone runs it, without ichmonai."""
    from ichmonai.release.bundle import write_zip
    from ichmonai.release.zoo import write_zoo

    try:
        try:
            if zoo:
                write_zoo(out, large_files_url)
            else:
                out = out if out.suffix == ".zip" else out.with_name(f"{out.name}.zip")
                write_zip(out)
        except OSError as error:
            raise InputError(f"Cannot write {out} ({error.strerror}); choose another place.") from error
    except InputError as error:
        stop(error, 2)
    Console(stderr=True).print(f"Written: {out}", soft_wrap=True, highlight=False, markup=False)
