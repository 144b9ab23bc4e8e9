"""The command ``ichmonai node``."""

import functools
import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ichmonai.commands.bundle_options import (
    BundleOption,
    ConfigOption,
    DeviceOption,
    SettingsOption,
    TrustOption,
    bundle_source,
)
from ichmonai.commands.stop import stop, stoppable
from ichmonai.errors import InputError


class Action(StrEnum):
    """What `ichmonai node` does."""

    RUN = "run"
    STATUS = "status"
    AUDIT = "audit"


def node(
    config: Annotated[Path, typer.Option(help="The toml file that says what the node does; see docs/pacs.md.")],
    action: Annotated[
        Action,
        typer.Argument(help="Be the node; count what came and went; or say who sent what, and when it was answered."),
    ] = Action.RUN,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong with it; then end.")] = False,
    bundle: BundleOption = None,
    bundle_config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
    device: DeviceOption = None,
) -> None:
    """Receive head CT over the network, and send what was found into the archive."""
    console = Console(stderr=True)
    try:
        from ichmonai.dicom_results.writer import DicomObjects

        DicomObjects.require()
        try:
            from ichmonai.dicom_node.config import read_config, sentence_of
            from ichmonai.dicom_node.message import listens
            from ichmonai.dicom_node.node import JOURNAL, Node
            from ichmonai.dicom_node.send import answers_echo, not_taken, web_answers
            from ichmonai.dicom_node.status import print_journal
            from ichmonai.dicom_node.store import NodeStore
        except ModuleNotFoundError as error:
            raise InputError(f'The node needs {error.name}; run pip install "ichmonai[pacs]".') from error
        told = read_config(config)
        if action != Action.RUN:
            if not (told.folder / JOURNAL).is_file():
                raise InputError(f"{told.folder} holds no {JOURNAL}; start the node first.")
            print_journal(NodeStore(told.folder / JOURNAL), action == Action.AUDIT)
            return
        source = bundle_source(bundle, bundle_config, settings, device, trust)
        _ = source.open().weights
        if check and told.poll and not web_answers(told.poll.url):
            raise InputError(f"{told.poll.url}, which [poll] asks, does not answer; correct the url, or start it.")
        silent = [one.name for one in told.destinations if check and not answers_echo(told, one)]
        silent += [one.name for one in told.messages if check and not listens(one)]
        if silent:
            raise InputError(f"{', '.join(silent)} does not answer; compare AE titles, host, port or url there.")
        for one in told.destinations if check else ():
            if refused := not_taken(told, one):
                raise InputError(
                    f"{one.name} does not take {', '.join(refused)}, which {config} says of it; allow that there, or "
                    "leave it out here."
                )
        if check:
            console.print(f"{config} is sound; {sentence_of(told)}.", soft_wrap=True)
            return
        from ichmonai.cores import usable_cores
        from ichmonai.prediction.folder import claimed
        from ichmonai.prediction.loaded import Loaded
        from ichmonai.prediction.local import predict_locally
        from ichmonai.processes.contexts import prepare_workers

        prepare_workers()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        for name in ("pynetdicom", "pydicom"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # they quote values
        engine = functools.partial(predict_locally, workers=told.workers or usable_cores(), timeout=told.timeout)
        with claimed(told.folder), stoppable("The node ended; what waits goes on when it is started again."):
            console.print(f"{told.ae_title} listens at {told.host}:{told.port}; Ctrl-C ends it.", highlight=False)
            try:
                Node(told, Loaded(source), engine).run()
            except OSError as error:
                raise InputError(f"Port {told.port} cannot be used ({error.strerror}); choose another.") from error
    except InputError as error:
        stop(error, 2)
