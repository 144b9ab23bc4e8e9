"""The mask as a DICOM segmentation, over the images pixel on pixel."""

import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes

from ichmonai import __version__
from ichmonai.classes import KINDS
from ichmonai.dicom_results.case import Case
from ichmonai.dicom_results.codes import HAEMORRHAGE, REGIONS

SERIES_NUMBER = 7103
_NEEDED = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_COLOURS = {
    "epidural": "gold",
    "intraparenchymal": "red",
    "intraventricular": "magenta",
    "subarachnoid": "cyan",
    "subdural": "orange",
}


def make_segmentation(case: Case) -> Segmentation | None:
    """Make the segmentation of an answer, a segment for each kind that is marked.

    Its frames lie where their slices do, also where the gantry was tilted or the slices are unevenly spaced.

    Args:
        case: the answer.

    Returns:
        None where nothing is marked, there is no mask, or the images are frames of one file or do not say where they
        lie.
    """
    headers = [one.header for one in case.slices]
    placed = all(one.get(name) for one in headers for name in _NEEDED)
    if case.mask is None or not placed or any(one.frames for one in case.slices):
        return None
    marked = [kind for i, kind in enumerate(KINDS, 1) if (case.mask == i).any()]
    if not marked:
        return None
    labels = np.zeros(len(KINDS) + 1, np.uint8)
    labels[[KINDS.index(kind) + 1 for kind in marked]] = np.arange(1, len(marked) + 1)
    made = Segmentation(
        headers,
        labels[case.mask],
        SegmentationTypeValues.BINARY,
        [_segment(case, number, kind) for number, kind in enumerate(marked, 1)],
        case.uid("segmentation series"),
        SERIES_NUMBER,
        case.uid("segmentation"),
        1,
        content_description="blood that ichmonai marks",
        content_label="ICHMONAI",
        series_description="ichmonai mask, not for clinical use",
        specific_character_set="ISO_IR 192",
        **case.device.equipment,
    )
    made.BodyPartExamined = "HEAD"
    return made


def _segment(case: Case, number: int, kind: str) -> SegmentDescription:
    return SegmentDescription(
        number,
        f"{kind} haemorrhage",
        codes.SCT.MorphologicallyAbnormalStructure,
        HAEMORRHAGE,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        AlgorithmIdentificationSequence("ichmonai", codes.DCM.ArtificialIntelligence, __version__, "ichmonai"),
        tracking_uid=case.uid("segment", kind),
        tracking_id=f"ichmonai {kind}",
        anatomic_regions=[REGIONS[kind]],
        display_color=CIELabColor.from_string(_COLOURS[kind]),
    )
