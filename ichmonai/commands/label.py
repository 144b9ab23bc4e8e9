"""The commands ``ichmonai label prepare`` and ``ichmonai label start``."""

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.bundle_options import BundleOption, ConfigOption, SettingsOption, TrustOption, bundle_source
from ichmonai.commands.stop import stop
from ichmonai.errors import InputError
from ichmonai.notice import NOTICE

label = typer.Typer(help="Read head CT in 3D Slicer or OHIF through a MONAI Label server.", no_args_is_help=True)


@label.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="New folder, or one to be brought up to date.")],
    bundle: BundleOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
) -> None:
    """Install MONAI Label into an environment of its own, and write its apps and the model.

    Only pip needs the network, unless it is configured for a folder of wheels; starting and reading need none.
    """
    console = Console(stderr=True)
    from ichmonai.monailabel.environment import make_environment
    from ichmonai.monailabel.folder import MODEL, write_apps, write_model

    folder = folder.absolute()
    try:
        console.print(f"[bold]1/3[/bold] Writing the model {folder / 'models' / MODEL}", soft_wrap=True)
        source = bundle_source(bundle, config, settings, trust=trust)
        if kept := write_model(source, folder / "models" / MODEL):
            console.print(f"The weights that were used until now are kept: {kept}", soft_wrap=True)
        console.print(
            f"[bold]2/3[/bold] Installing MONAI Label into {folder / 'environment'} (some minutes, unless it is there)",
            soft_wrap=True,
        )
        make_environment(folder / "environment")
        console.print(f"[bold]3/3[/bold] Writing the apps {folder / 'apps'}", soft_wrap=True)
        write_apps(folder / "apps", folder / "environment", folder / "models" / MODEL)
    except InputError as error:
        stop(error, 2)
    console.print(f"Start it: ichmonai label start {folder} --studies STUDIES", soft_wrap=True)


@label.command()
def start(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of `ichmonai label prepare`.")],
    studies: Annotated[
        str, typer.Option(help="Folder of NIfTI or NRRD volumes, in which labels are kept too, or a DICOMweb address.")
    ],
    stock: Annotated[bool, typer.Option("--stock", help="MONAI Label's own app: predictions only.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; there is no password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Start the MONAI Label server, to which 3D Slicer and OHIF connect; Ctrl-C ends it."""
    from ichmonai.monailabel.environment import clean_environment, python_of
    from ichmonai.monailabel.folder import MODEL, OWN_APP, STOCK_APP

    python = python_of(folder / "environment").absolute()
    app = (folder / "apps" / (STOCK_APP if stock else OWN_APP)).absolute()
    if not python.exists() or not app.is_dir():
        stop(InputError(f"{folder} is not complete; run: ichmonai label prepare {folder}"), 2)
    typer.echo(NOTICE, err=True)
    command = [str(python), "-P", "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", studies]
    if "://" not in studies:
        command[-1] = str(Path(studies).absolute())
    command += ["--host", host, "--port", str(port)]
    if stock:  # it would look for models in the internet, for SAM as well, and cannot train from labels of slices
        for name, value in (("models", MODEL), ("zoo_source", "local"), ("sam2", "false"), ("skip_trainers", "true")):
            command += ["--conf", name, value]
    environment = {**clean_environment(), "MONAI_LABEL_TRACKING_ENABLED": "false"}
    os.chdir(folder)  # MONAI Label takes settings from a file .env of the current folder
    if os.name == "posix":
        os.execve(python, command, environment)  # noqa: S606  no shell; signals then reach the server itself
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603  no shell
