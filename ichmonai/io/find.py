"""The head CT below a path."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from os import PathLike
from typing import Any

from ichmonai.io.choose import choose_series
from ichmonai.io.findings import Code, HeadCTReadError, refusing
from ichmonai.io.group import group_series
from ichmonai.io.headers import ImageHeader
from ichmonai.io.scan import scan
from ichmonai.io.series import Location, Rejection

logger = logging.getLogger(__name__)


def find_head_ct(
    path: str | PathLike[str], accept: Iterable[Code | str] = (Code.TOO_FEW_SLICES,)
) -> list[dict[str, Any]]:
    """List the head CT at or below a path: of each study, the series that suits best.

    Args:
        path: whatever `scan` takes: a file, a folder with any of them at any depth, a zip archive, a DICOMDIR, a csv.
        accept: codes of findings that do not refuse a series; by default single slices are taken as well.

    Returns:
        MONAI datalist items, in the order of the files: `image` is what `load_head_ct` takes (a path, or the list of a
        series' slices from inferior to superior) and `study` names it: StudyInstanceUID, or the path of a file without.
        What is refused is logged.

    Raises:
        HeadCTReadError: when there is nothing to read.
    """
    accepted = tuple(Code(code) for code in accept)
    studies: dict[str, list[ImageHeader]] = defaultdict(list)
    rejections: list[Rejection] = []
    for found in scan([path], workers=1):
        if isinstance(found, ImageHeader):
            studies[found.study].append(found)
        elif isinstance(found, Rejection):
            rejections.append(found)
    items = []
    for headers in studies.values():
        chosen, others = choose_series(group_series(headers), accept=accepted)
        rejections += others
        for series in chosen:
            if reason := refusing(series.findings, accepted):
                rejections.append(Rejection(series.study, series.series, str(series.images[0]), reason))
                continue
            for finding in series.findings:
                logger.warning("%s", finding.sentence)
            images = [_plain(location) for location in series.images]
            items.append({"image": images if len(images) > 1 else images[0], "study": series.study})
    if not items:
        raise _nothing(os.fspath(path), rejections)
    for rejection in rejections:
        logger.warning("%s", rejection.finding.sentence)
    return items


def _plain(location: Location) -> str | Location:
    return location if location.member or location.frame >= 0 else location.path


def _nothing(path: str, rejections: list[Rejection]) -> HeadCTReadError:
    if not rejections:
        return HeadCTReadError(f"{path} holds no head CT; check the path.", Code.EMPTY)
    first = rejections[0].finding
    more = f" (And {len(rejections) - 1} more.)" if len(rejections) > 1 else ""
    return HeadCTReadError(first.sentence + more, first.code)
