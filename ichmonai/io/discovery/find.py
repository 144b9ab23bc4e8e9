"""The head CT below a path."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from os import PathLike
from typing import Any

from ichmonai.errors import printable
from ichmonai.io.discovery.choose import choose_series
from ichmonai.io.discovery.group import group_series
from ichmonai.io.discovery.scan import scan
from ichmonai.io.findings import Code, Finding, HeadCTReadError, accepted_codes, refusing
from ichmonai.io.header import ImageHeader
from ichmonai.io.series import ImageSource, Rejection, Series

logger = logging.getLogger(__name__)


def find_head_ct(
    path: str | PathLike[str], accept: Iterable[Code | str] = ()
) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """List the head CT at or below a path: of each study, the series that suits best.

    Args:
        path: whatever `scan` takes: a file, a folder with any of them at any depth, a zip archive, a DICOMDIR, a csv.
        accept: codes of findings that do not refuse a series.

    Returns:
        MONAI datalist items, in the order of the files, and what gets no answer. Of an item, `image` is what
        `load_head_ct` takes (a path, or the list of a series' slices from inferior to superior), `study` names it
        (StudyInstanceUID, or the path of a file without) and so does `series` (SeriesInstanceUID), and `findings` are
        the warnings of its headers, as code and sentence.

    Raises:
        HeadCTReadError: when there is nothing to predict.
    """
    found, rejections = find_series(path, accept)
    return [_item(series) for series in found], rejections


def find_series(path: str | PathLike[str], accept: Iterable[Code | str] = ()) -> tuple[list[Series], list[Rejection]]:
    """List what `find_head_ct` lists, as series.

    Args:
        path: as of `find_head_ct`.
        accept: as of `find_head_ct`.

    Raises:
        HeadCTReadError: when there is nothing to predict.
    """
    studies: dict[str, list[ImageHeader]] = defaultdict(list)
    rejections: list[Rejection] = []
    for found in scan([path], workers=1):
        if isinstance(found, ImageHeader):
            studies[found.study].append(found)
        elif isinstance(found, Rejection):
            rejections.append(found)
    series: list[Series] = []
    for headers in studies.values():
        usable, others = usable_series(headers, accept)
        series += usable
        rejections += others
    if not series:
        raise _nothing(os.fspath(path), rejections)
    return series, rejections


def _item(series: Series) -> dict[str, Any]:
    images = [_plain(source) for source in series.images]
    return {
        "image": images if len(images) > 1 else images[0],
        "study": series.study,
        "series": series.series,
        "findings": [[finding.code.value, finding.sentence] for finding in series.findings],
    }


def usable_series(
    headers: Iterable[ImageHeader], accept: Iterable[Code | str] = (), every: bool = False
) -> tuple[list[Series], list[Rejection]]:
    """The series of one study to predict on, and why the others are not.

    Args:
        headers: all images of the study.
        accept: codes of findings that do not refuse a series.
        every: all series that nothing refuses, instead of the one that suits best.

    Returns:
        The series, and a rejection for each other one; where the headers of the study break what looks at them, one
        rejection `FAILED` for all, since the other studies of a batch have to go on.
    """
    accepted = accepted_codes(accept)
    headers = list(headers)
    try:
        return _usable(headers, accepted, every)
    except Exception as error:  # of any kind: what headers say can be anything
        logger.debug("The series of a study cannot be told apart.", exc_info=True)
        first = headers[0]
        sentence = (
            f"The series of study {first.study} cannot be told apart ({type(error).__name__}); give them one by one, "
            "and report it."
        )
        return [], [Rejection(first.study, first.series, str(first.source), Finding(Code.FAILED, printable(sentence)))]


def _usable(headers: list[ImageHeader], accepted: frozenset[Code], every: bool) -> tuple[list[Series], list[Rejection]]:
    chosen, rejections = choose_series(group_series(headers), every, accepted)
    usable = []
    for series in chosen:
        reason = refusing(series.findings, accepted)
        if reason is None:
            usable.append(series)
        else:
            rejections.append(Rejection(series.study, series.series, str(series.images[0]), reason))
    return usable, rejections


def _plain(source: ImageSource) -> str | ImageSource:
    return source if source.member or source.frame >= 0 else source.path


def _nothing(path: str, rejections: list[Rejection]) -> HeadCTReadError:
    if not rejections:
        return HeadCTReadError(f"{path} holds no head CT; check the path.", Code.EMPTY)
    first = rejections[0].finding
    more = f" (And {len(rejections) - 1} more.)" if len(rejections) > 1 else ""
    return HeadCTReadError(first.sentence + more, first.code)
