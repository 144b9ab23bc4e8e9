"""What a node is told: one toml file."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from ichmonai.addresses import is_loopback
from ichmonai.errors import InputError, first_line
from ichmonai.prediction.report.templates import LANGUAGES, read_templates

OBJECTS = ("report", "pictures", "segmentation")
_LONGEST_AE = 16
T = TypeVar("T")


@dataclass(frozen=True)
class Tls:
    """Certificates, as files in PEM; both sides show theirs (PS3.15 B.9 and later).

    Attributes:
        certificate: of this node.
        key: of the certificate.
        authorities: of the certificates that others show.
    """

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True)
class Destination:
    """Where results go.

    Attributes:
        name: in status and audit.
        ae_title: of the archive, with which C-STORE speaks.
        host: its address.
        port: the same.
        always: objects that are sent of every answer, of `OBJECTS`.
        positive: objects that are sent of positive answers besides.
        tls: whether it speaks TLS.
        storage_commitment: whether what it takes counts only when it has said that it keeps it.
        reject_superseded: whether it gets a note that rejects what a new answer replaces (IHE IOCM).
        url: of a DICOMweb server, which takes results by STOW-RS, instead of AE title, host and port.
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 0
    always: tuple[str, ...] = ("report",)
    positive: tuple[str, ...] = ("pictures", "segmentation")
    tls: bool = False
    storage_commitment: bool = False
    reject_superseded: bool = False
    url: str = ""


@dataclass(frozen=True)
class Message:
    """Whom to tell of answers, besides the archives.

    Attributes:
        name: in status and audit.
        url: to which an answer is posted as JSON, without identity.
        token: file of what the url wants as `Authorization: Bearer`.
        host: to which an answer is sent as HL7 ORU^R01 by MLLP, instead of the url.
        port: the same.
        application: HL7's name of the receiving application (MSH-5).
        facility: of the receiving facility (MSH-6).
        always: whether it is told of every answer, or of positive ones alone.
    """

    name: str
    url: str = ""
    token: Path | None = None
    host: str = ""
    port: int = 0
    application: str = ""
    facility: str = ""
    always: bool = False


@dataclass(frozen=True)
class Poll:
    """A DICOMweb server that is asked for images, where nobody sends them.

    Attributes:
        url: of the server.
        every: seconds between two times.
        modality: of the series that are taken.
        days: before today, of which studies are taken.
    """

    url: str
    every: float = 15
    modality: str = "CT"
    days: int = 1


@dataclass(frozen=True)
class NodeConfig:
    """What a node is told.

    Attributes:
        folder: of what is received, answered and waits to be sent.
        ae_title: its own.
        host: address to listen at; by default only what runs on this machine reaches it.
        port: the same.
        senders: AE titles that may send; empty for all, which only this machine may be.
        quiet_seconds: a study is complete when nothing came for so long.
        images: a study is complete with so many, too; 0 for no such number.
        free_mb: what the disk must have free; below, images are refused as Out of Resources.
        workers: processes that read; all cores where None.
        timeout: seconds after which the work on a series is hung.
        metrics_port: at which /metrics answers Prometheus; 0 for none.
        metrics_host: address of the same.
        report_templates: language or file of the report in words, see `read_templates`.
        tls: certificates; None to speak without.
        poll: a server that is asked for images besides; None for none.
        destinations: where results go.
        messages: who is told of answers besides.
    """

    folder: Path
    ae_title: str = "ICHMONAI"
    host: str = "127.0.0.1"
    port: int = 11112
    senders: tuple[str, ...] = ()
    quiet_seconds: float = 30
    images: int = 0
    free_mb: float = 500
    workers: int | None = None
    timeout: float = 600
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    report_templates: str = "en"
    tls: Tls | None = None
    poll: Poll | None = None
    destinations: tuple[Destination, ...] = field(default=())
    messages: tuple[Message, ...] = field(default=())

    @property
    def sent_to(self) -> list[str]:
        """Names of all to whom something is sent."""
        return [*(one.name for one in self.destinations), *(one.name for one in self.messages)]


def read_config(path: Path) -> NodeConfig:
    """Read the file; paths in it are from where it lies.

    Raises:
        InputError: what is wrong with it, in one sentence.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); give a toml file.") from error
    node = dict(said.pop("node", {}))
    words = node.get("report_templates")
    if isinstance(words, str) and words not in LANGUAGES:
        node["report_templates"] = str(path.absolute().parent / words)
    tls, poll, destinations = said.pop("tls", None), said.pop("poll", None), said.pop("destination", [])
    messages = said.pop("message", [])
    if said:
        unknown = next(iter(said))
        raise InputError(
            f"{path} has a part {unknown}, which is not known; it has node, tls, poll, destination and message."
        )
    if not isinstance(destinations, list) or not destinations:
        raise InputError(f"{path} has no [[destination]], so that no result would go anywhere; add one.")
    if tls is not None:
        node["tls"] = _made(Tls, _paths(tls, ("certificate", "key", "authorities"), path), f"[tls] of {path}")
        for file in vars(node["tls"]).values():
            if not file.is_file():
                raise InputError(f"There is no file {file}, which [tls] of {path} names; give the path of a PEM file.")
    if poll is not None:
        node["poll"] = _made(Poll, poll, f"[poll] of {path}")
    if not isinstance(messages, list):
        raise InputError(f"{path} has a [message]; write [[message]], for there may be several.")
    told = tuple(_made(Message, _paths(one, ("token",), path), f"[[message]] of {path}") for one in messages)
    found = tuple(_made(Destination, one, f"[[destination]] of {path}") for one in destinations)
    made = _made(
        NodeConfig, {**_paths(node, ("folder",), path), "destinations": found, "messages": told}, f"[node] of {path}"
    )
    _check(made, path)
    return made


def sentence_of(config: NodeConfig) -> str:
    """What a node will do, for people who check its file."""
    said = [f"{', '.join(config.senders) or 'anyone'} may send"]
    if config.metrics_port:
        said.append(f"Prometheus may ask {config.metrics_host}:{config.metrics_port}")
    if config.poll:
        said.append(f"{config.poll.url} is asked for {config.poll.modality} of {config.poll.days} days before today")
    if config.messages:
        said.append(f"{', '.join(one.name for one in config.messages)} is told")
    said += [f"{one.name} is to say what it keeps" for one in config.destinations if one.storage_commitment]
    said += [
        f"{one.name} gets notes that reject what is replaced" for one in config.destinations if one.reject_superseded
    ]
    return f"{', '.join(said)}, and every destination answers"


def _paths(part: Mapping[str, Any], names: tuple[str, ...], path: Path) -> dict[str, Any]:
    return {
        name: path.absolute().parent / value if name in names and isinstance(value, str) else value
        for name, value in part.items()
    }


def _made(kind: type[T], said: Any, where: str) -> T:
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(said, Mapping):
        raise InputError(f"{where} is no table of names and values; write it as the guide shows.")
    if unknown := sorted(set(said) - set(known)):
        raise InputError(f"{where} has {unknown[0]}, which is not known; it may have {', '.join(known)}.")
    missing = [name for name, one in known.items() if one.default is MISSING and name not in said]
    if missing:
        raise InputError(f"{where} lacks {missing[0]}; add it.")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    for name, value in values.items():
        if not _fits(known[name].type, value):
            raise InputError(f"{name} in {where} is {value!r}, which is no {known[name].type}; correct it.")
    return kind(**values)


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(one, get_args(kind)[0]) for one in value)
    return isinstance(value, kind)


def _check(config: NodeConfig, path: Path) -> None:
    if not is_loopback(config.host) and not config.senders:
        raise InputError(f"{path} lets everybody on the network send to {config.host}; name the AE titles in senders.")
    names = config.sent_to
    by_dimse = [one for one in config.destinations if not one.url]
    titles = [config.ae_title, *config.senders, *(one.ae_title for one in by_dimse)]
    ports = [config.port, config.metrics_port or config.port, *(one.port for one in by_dimse)]
    ports += [one.port for one in config.messages if not one.url]
    objects = {name for one in config.destinations for name in (*one.always, *one.positive)}
    if len(set(names)) < len(names):
        raise InputError(f"{path} has two destinations or messages of one name; give each its own.")
    for one in config.destinations:
        if bool(one.url) == bool(one.ae_title and one.host and one.port) or (
            one.url and not one.url.startswith("http")
        ):
            raise InputError(f"{one.name} of {path} needs ae_title, host and port, or a url of DICOMweb; give either.")
    for message in config.messages:
        if bool(message.url) == bool(message.host and message.port) or (
            message.url and not message.url.startswith("http")
        ):
            raise InputError(f"{message.name} of {path} needs a url, or host and port of HL7; give either.")
        if message.token is not None and not message.token.is_file():
            raise InputError(f"There is no file {message.token}, which {message.name} of {path} names; write it.")
    if (poll := config.poll) is not None:
        if not poll.url.startswith("http"):
            raise InputError(f"{poll.url!r}, which [poll] of {path} asks, is no url of DICOMweb; correct it.")
        if not 0 < poll.every < config.quiet_seconds:
            raise InputError(
                f"[poll] of {path} asks every {poll.every:g} seconds, and studies would be answered before all of them "
                f"came; ask more often than quiet_seconds, which are {config.quiet_seconds:g}."
            )
    if any(one.url and one.storage_commitment for one in config.destinations):
        raise InputError(f"DICOMweb has no storage commitment, which {path} wants of a url; leave it out there.")
    for one in config.destinations:
        if one.reject_superseded and "report" not in one.always:
            raise InputError(
                f"{one.name} of {path} rejects what is replaced, and does not always get the report that does so; "
                "add report to always, or leave out reject_superseded."
            )
    for title in titles:
        if not title.strip() or len(title) > _LONGEST_AE or not title.isascii() or "\\" in title:
            raise InputError(f"{title!r} in {path} is no AE title; take 1 to {_LONGEST_AE} letters and digits.")
    if any(not 0 < port < 65536 for port in ports):
        raise InputError(f"{path} has a port that does not exist; take one from 1 to 65535.")
    if unknown := sorted(objects - set(OBJECTS)):
        raise InputError(f"{path} sends {unknown[0]}, which is not known; choose from {', '.join(OBJECTS)}.")
    read_templates(config.report_templates)
    if config.tls is None and any(one.tls for one in config.destinations):
        raise InputError(f"A destination of {path} speaks TLS, and there are no certificates; add [tls].")
