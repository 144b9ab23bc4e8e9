"""A note that objects of an earlier answer are rejected: IHE's Imaging Object Change Management."""

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path

import pydicom.config
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage

from ichmonai import __version__
from ichmonai.dicom_results.device import MANUFACTURER, named_uid
from ichmonai.dicom_results.objects import REPORT, SEGMENTATION
from ichmonai.dicom_results.source import character_set, known_header, set_character_set

SERIES_NUMBER = 7104
_CLASSES = {REPORT: ComprehensiveSRStorage, SEGMENTATION: SegmentationStorage}
_WHY = "A later answer of ichmonai, of more images or other ones, replaces these objects."


def make_rejection(image: Path, objects: Sequence[tuple[str, str, str]], number: int) -> KeyObjectSelectionDocument:
    """Make a Key Object Selection that rejects objects for quality reasons.

    Of the titles that archives act on (PS3.16 CID 7010) it is 113001: what was made of some of the images is not good
    enough any more. Those objects harm nobody (113037), hang at the right order (113038), and are not to be deleted
    (113039).

    Args:
        image: of the study, whose patient and study the objects have.
        objects: what is rejected: SOPInstanceUID, SeriesInstanceUID, and the name that `make_objects` gave its file,
            which says what it is.
        number: of the note in its series.

    Returns:
        The note; the same objects give the same UIDs.
    """
    dataset = pydicom.dcmread(image, stop_before_pixels=True)
    header = known_header(dataset)
    study = str(header.StudyInstanceUID)
    named = [_named(header, *one) for one in objects]
    observer = DeviceObserverIdentifyingAttributes(
        uid=named_uid("device of rejections"), name="ichmonai", manufacturer_name=MANUFACTURER, model_name="ichmonai"
    )
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # patients are called as their images call them
        content = KeyObjectSelection(
            codes.DCM.RejectedForQualityReasons,
            named,
            observer_device_context=ObserverContext(codes.DCM.Device, observer),
            description=_WHY,
        )
        made = KeyObjectSelectionDocument(
            named,
            content,
            named_uid("series of rejections", study),
            SERIES_NUMBER,
            named_uid("rejection", study, *sorted(sop for sop, _, _ in objects)),
            number,
            manufacturer=MANUFACTURER,
            manufacturer_model_name="ichmonai",
            software_versions=__version__,
            series_description="ichmonai, what is replaced",
            specific_character_set="ISO_IR 192",
        )
        made.copy_patient_and_study_information(header)
    set_character_set(made, character_set(dataset))
    made.SeriesDate, made.SeriesTime = made.ContentDate, made.ContentTime
    return made


def _named(header: Dataset, sop: str, series: str, file: str) -> Dataset:
    """An object as far as a reference needs it."""
    named = copy.deepcopy(header)
    named.SOPClassUID = _CLASSES.get(file, SecondaryCaptureImageStorage)
    named.SOPInstanceUID, named.SeriesInstanceUID = sop, series
    if file == REPORT:  # it has no pixels, by which highdicom tells what an image is
        for name in ("Rows", "Columns"):
            named.pop(name, None)
    else:
        named.Rows = named.Columns = 1
    return named
