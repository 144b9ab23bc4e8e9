"""What a server is told."""

from dataclasses import dataclass, field
from pathlib import Path

from ichmonai.prediction.report.templates import Templates, read_templates

MB = 2**20

SHORTEST_TOKEN = 16
"""Characters that a token must have."""


@dataclass(frozen=True)
class ServeOptions:
    """What a server does and how much it takes.

    Attributes:
        data: folder of the uploads, their results and the database.
        upload_bytes: of one upload at most.
        quota_bytes: of all uploads together at most.
        upload_files: files of one upload at most.
        keep_days: days after which an upload goes with all that belongs to it; None keeps it until it is deleted.
        token: what a reader must know; empty where everybody who reaches the server may use it.
        tls: whether connections are encrypted.
        hosts: names by which the server is called, without port.
        identify: show PatientID, AccessionNumber, StudyDate and SeriesDescription.
        workers: processes that read and prepare; one a core where None.
        one_study_per_folder: the pictures in a folder are the slices of one study, in the order of their names.
        templates: the sentences of the report in words.
        timeout: seconds that one of them may take for a series.
    """

    data: Path
    upload_bytes: int = 2048 * MB
    quota_bytes: int = 20480 * MB
    upload_files: int = 20_000
    keep_days: float | None = None
    token: str = ""
    tls: bool = False
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    identify: bool = False
    one_study_per_folder: bool = False
    workers: int | None = None
    templates: Templates = field(default_factory=read_templates)
    timeout: float = 600
