"""The headers of one file, whatever it is."""

from collections.abc import Sequence
from pathlib import Path

from ichmonai.errors import first_line
from ichmonai.io.discovery.dicomdir import count_directory
from ichmonai.io.discovery.other_files import what_is_it
from ichmonai.io.discovery.walk import Candidate
from ichmonai.io.files.archives import open_member
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.format import START
from ichmonai.io.formats import format_of, formats, header_of
from ichmonai.io.formats.dicom.files import is_directory
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, OtherFile, Rejection, reject

Found = ImageHeader | Rejection | OtherFile


def read_headers(candidate: Candidate) -> Sequence[Found]:
    """The headers of one file or member, or why there are none; raises nothing.

    Args:
        candidate: the file; of a pair that was named by its voxels, its header is read.
    """
    source, named = candidate
    path = str(source)
    try:
        if named and not source.member and (header := header_of(source.path)):
            source = ImageSource(header)
            path = header
        with open_member(source) if source.member else Path(source.path).open("rb") as file:
            start = file.read(START)
            file.seek(0)
            if is_directory(start):
                return _directory(source, named)
            if found := format_of(source.name) or next((one for one in formats() if one.begins(start)), None):
                return found.read_headers(file, source)
            what = what_is_it(source, start)
    except HeadCTReadError as error:
        return [reject(path, str(error), error.code)]
    except OSError as error:
        return [
            reject(path, f"{path} cannot be opened ({error.strerror or first_line(error)}); check its permissions.")
        ]
    except Exception as error:  # whatever else a damaged file makes a library do
        return [reject(path, f"{path} cannot be read ({first_line(error)}); remove it or copy it again.")]
    if named:
        return [reject(path, f"{path} is no image that can be read; give DICOM, NIfTI, NRRD, MetaImage, PNG or JPEG.")]
    if what is None:
        return [OtherFile(path)]
    return [
        reject(
            path, f"{path} is {what}, which is not read; give it as DICOM or NIfTI, or remove it if it is no head CT."
        )
    ]


def _directory(source: ImageSource, named: bool) -> list[Found]:
    """A DICOMDIR under another name, with what it lacks."""
    path = str(source)
    if named:
        return [reject(path, f"{path} is a DICOMDIR among the files that were named; give it by itself.")]
    return [OtherFile(path)] if source.member else list(count_directory(source.path))
