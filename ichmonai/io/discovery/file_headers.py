"""The headers of one file, whatever it is."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ichmonai.errors import first_line
from ichmonai.io.discovery.archives import open_member, size_of
from ichmonai.io.discovery.dicom_files import START, is_dicom_start, is_directory
from ichmonai.io.discovery.dicom_headers import read_dicom
from ichmonai.io.discovery.dicomdir import count_directory
from ichmonai.io.discovery.headers import ImageHeader
from ichmonai.io.discovery.other_files import what_is_it
from ichmonai.io.discovery.volume_headers import read_volume
from ichmonai.io.discovery.walk import Candidate
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.pairs import header_of
from ichmonai.io.series import ImageSource, OtherFile, Rejection, reject
from ichmonai.io.suffixes import (
    DICOM_SUFFIXES,
    PACKED_DICOM_SUFFIXES,
    PAIR_VOXEL_SUFFIXES,
    PICTURE_SUFFIXES,
    VOLUME_SUFFIXES,
)

Found = ImageHeader | Rejection | OtherFile


def read_headers(candidate: Candidate) -> Sequence[Found]:
    """The headers of one file or member, or why there are none; raises nothing.

    Args:
        candidate: the file; of a pair that was named by its voxels, its header is read.
    """
    source, named = candidate
    path = str(source)
    try:
        name = (source.member or source.path).lower()
        if named and name.endswith(PAIR_VOXEL_SUFFIXES) and (header := header_of(Path(source.path))):
            source = ImageSource(str(header))
            path, name = str(source), source.path.lower()
        with open_member(source) if source.member else Path(source.path).open("rb") as file:
            if name.endswith((*VOLUME_SUFFIXES, *PICTURE_SUFFIXES)):
                return [read_volume(file, source, path)]
            stream: Any = gzip.GzipFile(fileobj=file) if name.endswith(PACKED_DICOM_SUFFIXES) else file
            start = stream.read(START)
            if is_directory(start):
                return _directory(source, named)
            if is_dicom_start(start) or name.endswith(DICOM_SUFFIXES):
                stream.seek(0)
                return read_dicom(stream, source, size_of(source))
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
