"""All objects of an answer."""

import logging
import warnings

import pydicom.config
from pydicom.dataset import Dataset

from ichmonai.dicom_results.captures import make_captures
from ichmonai.dicom_results.case import Case
from ichmonai.dicom_results.device import Device
from ichmonai.dicom_results.report import make_report
from ichmonai.dicom_results.segmentation import make_segmentation
from ichmonai.dicom_results.source import read_source, set_character_set
from ichmonai.io.series import Series
from ichmonai.prediction.steps import Answer

REPORT, SEGMENTATION = "report.dcm", "segmentation.dcm"

# It quotes names of patients that are not written as DICOM wants them.
logging.getLogger("highdicom").setLevel(logging.CRITICAL)


def case_of(series: Series, answer: Answer, device: Device) -> Case | None:
    """Put an answer and its images together.

    Args:
        series: what was predicted.
        answer: what was found.
        device: what found it.

    Returns:
        What objects are made from; None where there is no prediction or the images are no DICOM.

    Raises:
        HeadCTReadError: where an image cannot be read.
    """
    slices = [] if answer.finding else read_source(series, answer.slices)
    return Case(device, answer, slices) if slices else None


def make_objects(case: Case) -> dict[str, Dataset]:
    """Make the objects of an answer.

    Args:
        case: the answer.

    Returns:
        File name -> object; the structured report is the last.
    """
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # patients are called as their images call them
        made: dict[str, Dataset] = make_captures(case)
        if (segmentation := make_segmentation(case)) is not None:
            made[SEGMENTATION] = segmentation
        made[REPORT] = make_report(case)
    in_ascii = all(text.isascii() for text in case.draft.columns.values())
    for name, one in made.items():
        if name != REPORT or in_ascii:  # else it keeps ISO_IR 192, which has every letter
            set_character_set(one, case.slices[0].character_set)
        one.SeriesDate, one.SeriesTime = made[REPORT].ContentDate, made[REPORT].ContentTime  # archives list by them
    return made
