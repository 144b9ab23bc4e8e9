"""Pictures for viewers that show nothing else: a page that sums up, and the key slices, as secondary captures."""

from typing import Any

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from ichmonai.dicom_results.case import Case
from ichmonai.dicom_results.key_slice import draw_slice
from ichmonai.dicom_results.source import SourceSlice
from ichmonai.dicom_results.summary import draw_summary
from ichmonai.io.formats.dicom.slices import read_slices
from ichmonai.prediction.pictures import brain_window

SERIES_NUMBER = 7102
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_DIRECTIONS = ("RL", "AP", "FH")
"""Of LPS: against and along each axis."""


def make_captures(case: Case) -> dict[str, Dataset]:
    """Draw the pictures of an answer, a series of their own.

    Args:
        case: the answer.

    Returns:
        File name -> secondary capture: the summary, then the key slices from inferior to superior.

    Raises:
        HeadCTReadError: where a key slice cannot be read.
    """
    views = {i: _view(case.slices[i]) for i in case.keys}
    made = {"summary.dcm": _capture(case, "summary", draw_summary(case, views[case.leading]), 1)}
    for number, (i, view) in enumerate(views.items(), 2):
        picture = draw_slice(case, i, view)
        capture = _capture(case, f"slice {i + 1}", picture, number, case.slices[i])
        made[f"slice-{i + 1:03}.dcm"] = capture
    return made


def _view(one: SourceSlice) -> NDArray[np.uint8]:
    """A slice in the brain window, as its image lies."""
    (found,) = read_slices(one.image, None if one.image.frame < 0 else [one.image.frame])
    return brain_window(found.hu[None])[0]


def _capture(
    case: Case, what: str, picture: NDArray[np.uint8], number: int, shown: SourceSlice | None = None
) -> Dataset:
    first = case.slices[0].header
    made = SCImage.from_ref_dataset(
        first,
        picture,
        "RGB",
        8,
        "PATIENT",
        case.uid("picture series"),
        SERIES_NUMBER,
        case.uid("picture", what),
        number,
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="ichmonai pictures, not for clinical use",
        specific_character_set="ISO_IR 192",
        **case.device.equipment,
    )
    made.copy_patient_and_study_information(first)
    made.PatientOrientation = _orientation(shown.place) if shown else []
    made.BodyPartExamined = "HEAD"
    made.BurnedInAnnotation = "NO"  # none that tells whose it is
    made.ImageComments = f"ichmonai: {what}; not for clinical use"
    made.InstanceNumber = number
    for name in _LOSSY:
        if name in first:
            made[name] = first[name]
    if shown:
        made.SourceImageSequence = [_reference(shown)]
    return made


def _reference(shown: SourceSlice) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = shown.header.SOPClassUID
    item.ReferencedSOPInstanceUID = shown.header.SOPInstanceUID
    if shown.frames:
        item.ReferencedFrameNumber = shown.frames
    return item


def _orientation(place: Dataset) -> list[str]:
    """Where rows and columns of an image run to; empty where it does not say it."""
    said: Any = place.get("ImageOrientationPatient")
    if not said or len(said) != 6:
        return []
    vectors = np.reshape([float(one) for one in said], (2, 3))
    return [_DIRECTIONS[axis][int(one[axis] > 0)] for one in vectors for axis in [int(np.abs(one).argmax())]]
