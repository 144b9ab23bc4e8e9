"""Whose images a study is of, for who asks: read from the files when the tables are written, and kept nowhere."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydicom.tag import BaseTag

from ichmonai.io.files.opening import open_image
from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.formats.dicom.files import read_dataset
from ichmonai.io.formats.dicom.values import tag_of, text
from ichmonai.io.series import ImageSource
from ichmonai.prediction.journal import Journal

_KEYWORDS = {
    "patient_id": "PatientID",
    "accession_number": "AccessionNumber",
    "study_date": "StudyDate",
    "series_description": "SeriesDescription",
}

IDENTITY_COLUMNS = tuple(_KEYWORDS)
"""Columns of the table of studies that `--identify` adds."""


def identity(source: ImageSource) -> dict[str, str]:
    """What the header of an image says of whose it is.

    Args:
        source: any image of a series.

    Returns:
        A text for each of `IDENTITY_COLUMNS`, empty where the header has none; nothing where it is no DICOM file.
    """
    tags: list[BaseTag] = [tag_of(name) for name in ("SpecificCharacterSet", *_KEYWORDS.values())]
    try:
        with open_image(source, inflate=source.name.endswith(".gz")) as file:
            dataset = read_dataset(file, source, specific_tags=tags, stop_before_pixels=True)
    except HeadCTReadError:
        return {}
    return {column: text(dataset, keyword) for column, keyword in _KEYWORDS.items()}


def identified(rows: Iterable[Mapping[str, Any]], journal: Journal) -> Iterator[dict[str, Any]]:
    """Rows of studies with `IDENTITY_COLUMNS`; those of a study of which every series was refused stay as they are."""
    for row in rows:
        source = journal.first_image(row["study"], row["series"])
        yield {**row, **(identity(source) if source else {})}
