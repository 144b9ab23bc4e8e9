"""What is known of a series from its headers alone."""

from dataclasses import dataclass
from typing import NamedTuple

from ichmonai.io.findings import Finding


class Location(NamedTuple):
    """Where an image is.

    Attributes:
        path: file.
        member: name inside the zip archive that `path` is; else empty.
        frame: index of the frame in an enhanced multi-frame file; else -1.
    """

    path: str
    member: str = ""
    frame: int = -1


@dataclass(frozen=True)
class Series:
    """A CT series, a volume, or one slice image, ready to be read.

    Attributes:
        study: StudyInstanceUID; for files without one, their path as found.
        series: SeriesInstanceUID, with `#2` and so on where geometry divides it; for other files, as `study`.
        images: what `load_head_ct` takes: the slices in order along the normal, or the one file.
        findings: from the headers: reasons to refuse it, and warnings.
        description: manufacturer and kernel, slices, spacing: for a listing; nothing that names a patient.
    """

    study: str
    series: str
    images: tuple[Location, ...]
    findings: tuple[Finding, ...] = ()
    description: str = ""
