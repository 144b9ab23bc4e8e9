"""The command ``ichmonai serve``."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.addresses import is_loopback
from ichmonai.commands.bundle_options import (
    BundleOption,
    ConfigOption,
    DeviceOption,
    SettingsOption,
    TimeoutOption,
    TrustOption,
    WorkersOption,
    bundle_source,
)
from ichmonai.commands.stop import stop, stoppable
from ichmonai.errors import InputError

TOKEN = "ICHMONAI_TOKEN"  # noqa: S105  the name of a variable
_GB = 2**30


def serve(
    data: Annotated[Path, typer.Option(file_okay=False, help="Folder of uploads, answers and readings.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; beyond this machine only with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8042,
    name: Annotated[
        list[str] | None, typer.Option(help="Name by which readers call the server, as in the address; repeatable.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help=f"File with the token; or the variable {TOKEN}.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="For TLS.")] = None,
    key: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Of the certificate.")] = None,
    keep_days: Annotated[float | None, typer.Option(min=0.01, help="Days after which uploads are deleted.")] = None,
    upload_gb: Annotated[float, typer.Option(min=0.001, help="Of one upload at most.")] = 2,
    quota_gb: Annotated[float, typer.Option(min=0.001, help="Of all uploads at most.")] = 20,
    identify: Annotated[
        bool, typer.Option("--identify", help="PatientID, AccessionNumber and StudyDate on the pages.")
    ] = False,
    one_study_per_folder: Annotated[
        bool, typer.Option("--one-study-per-folder", help="Pictures (PNG, JPEG, BMP) of a folder are one study.")
    ] = False,
    report_templates: Annotated[
        str,
        typer.Option(metavar="FILE", help="Language (en, de) or toml file of the report in words; see docs/words.md."),
    ] = "en",
    bundle: BundleOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    timeout: TimeoutOption = 600,
) -> None:
    """Show answers on a web page of this machine: files are dropped there, and readers say whether they agree."""
    console = Console(stderr=True)
    try:
        token = token_of(token_file)
        loopback = is_loopback(host)
        if not loopback and not token:
            raise InputError(
                f"Beyond this machine ({host}) the server needs a token; put one of 16 characters or more into a file "
                f"and give it with --token-file, or set {TOKEN}."
            )
        if bool(certificate) != bool(key):
            raise InputError("TLS needs both --certificate and --key; give both.")
        try:
            from ichmonai.serve.options import ServeOptions
            from ichmonai.serve.server import serve as run
        except ModuleNotFoundError as error:
            raise InputError(
                f'The page needs {error.name}, which is not installed; run pip install "ichmonai[serve]".'
            ) from error
        from ichmonai.prediction.folder import claimed
        from ichmonai.prediction.report.templates import read_templates

        source = bundle_source(bundle, config, settings, device, trust)
        _ = source.open().weights  # whatever is wrong is said before anybody waits for it
        names = ("127.0.0.1", "localhost", "[::1]", host, *(one.lower() for one in name or ()))
        options = ServeOptions(
            data.absolute(),
            int(upload_gb * _GB),
            int(quota_gb * _GB),
            keep_days=keep_days,
            token=token,
            tls=certificate is not None,
            hosts=tuple(dict.fromkeys(names)),
            identify=identify,
            one_study_per_folder=one_study_per_folder,
            workers=workers,
            templates=read_templates(report_templates),
            timeout=timeout,
        )
        address = f"http{'s' if certificate else ''}://{f'[{host}]' if ':' in host else host}:{port}"
        with claimed(options.data), stoppable("The server ended; what waits goes on when it is started again."):
            console.print(f"The page is at {address}; Ctrl-C ends it.", highlight=False, soft_wrap=True)
            if not loopback and certificate is None:
                console.print(
                    "Without --certificate, images and token go over the network unencrypted: only behind a proxy.",
                    style="yellow",
                    soft_wrap=True,
                )
            run(source, options, host, port, certificate, key)
    except InputError as error:
        stop(error, 2)


def token_of(file: Path | None) -> str:
    """The token in a file, or else of the environment; empty where there is none.

    Raises:
        InputError: it is too short.
    """
    from ichmonai.serve.options import SHORTEST_TOKEN

    text = file.read_text(encoding="utf-8").strip() if file else os.environ.get(TOKEN, "").strip()
    if (file or text) and len(text) < SHORTEST_TOKEN:
        raise InputError(f"The token is shorter than {SHORTEST_TOKEN} characters; take a longer one.")
    return text
