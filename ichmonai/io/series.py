"""What the headers say: where an image is, what a series holds, and what gets no answer."""

import os
from dataclasses import dataclass
from typing import NamedTuple

from ichmonai.errors import printable
from ichmonai.io.findings import Code, Finding


class ImageSource(NamedTuple):
    """Where an image is.

    Attributes:
        path: file.
        member: name inside the zip archive that `path` is; else empty.
        frame: index of the frame in an enhanced multi-frame file; else -1.
    """

    path: str
    member: str = ""
    frame: int = -1

    @property
    def name(self) -> str:
        """The path of the file or member in lower case, for its suffix."""
        return (self.member or self.path).lower()

    def __str__(self) -> str:
        """The path, a member as if its archive were a folder, with what is not printable in it escaped."""
        return printable(f"{self.path}/{self.member}" if self.member else self.path)


class Technique(NamedTuple):
    """How a series was scanned, as far as it is known; nothing that names a patient.

    Attributes:
        manufacturer: of the scanner, where it is in the list of `ichmonai.io.formats.dicom.codes`.
        model: known words of its name.
        kernel: known words of the convolution kernel.
        kvp: tube voltage in kV.
        thickness: of a slice in mm, else the distance between slices.
    """

    manufacturer: str = ""
    model: str = ""
    kernel: str = ""
    kvp: float | None = None
    thickness: float | None = None


UNKNOWN = Technique()


@dataclass(frozen=True)
class Series:
    """A CT series, a volume, or one slice image, ready to be read.

    Attributes:
        study: StudyInstanceUID; where there is none SeriesInstanceUID; for other files, their path as text.
        series: SeriesInstanceUID, with `#2` and so on where geometry divides it; for other files, as `study`.
        images: what `load_head_ct` takes: the slices in order along the normal, or the one file.
        findings: from the headers: reasons to refuse it, and warnings.
        description: manufacturer and kernel, slices, spacing: for a listing; nothing that names a patient.
        score: how well it suits as the head CT of its study; see `ichmonai.io.discovery.choose.score`.
        states: of the files of each image when they were found, see `ichmonai.io.contents.state_of`; none where
            nothing depends on them.
        technique: how it was scanned.
    """

    study: str
    series: str
    images: tuple[ImageSource, ...]
    findings: tuple[Finding, ...] = ()
    description: str = ""
    score: float = 0.0
    states: tuple[str, ...] = ()
    technique: Technique = UNKNOWN

    @property
    def path(self) -> str:
        """Of its file, or of the folder that all its files are below; a member as if its archive were a folder."""
        paths = {str(one) for one in self.images}
        try:
            return paths.pop() if len(paths) == 1 else os.path.commonpath(paths) or "."
        except ValueError:  # absolute and relative ones, or two drives
            return str(self.images[0])


@dataclass(frozen=True)
class Rejection:
    """An input, a file or a series that gets no answer.

    Attributes:
        study: as in `Series`; for what cannot be read, its path.
        series: as in `Series`; empty for what cannot be read.
        path: of the file, of a series that of its first image; a member as if its archive were a folder.
        finding: the reason.
    """

    study: str
    series: str
    path: str
    finding: Finding


class OtherFile(NamedTuple):
    """A file that is no image: to be counted.

    Attributes:
        path: file, a member as if its archive were a folder.
    """

    path: str


def reject(path: str, sentence: str, code: Code = Code.UNREADABLE) -> Rejection:
    """A file that gets no answer."""
    path = printable(path)
    return Rejection(path, "", path, Finding(code, printable(sentence)))
