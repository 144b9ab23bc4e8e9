"""The mask as a DICOM segmentation, over the images pixel on pixel."""

from collections.abc import Sequence

import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ichmonai import __version__
from ichmonai.classes import KINDS
from ichmonai.dicom_results.case import Case
from ichmonai.dicom_results.codes import HAEMORRHAGE, REGIONS
from ichmonai.dicom_results.source import SourceSlice

SERIES_NUMBER = 7103
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_COLOURS = {
    "epidural": "gold",
    "intraparenchymal": "red",
    "intraventricular": "magenta",
    "subarachnoid": "cyan",
    "subdural": "orange",
}


def make_segmentation(case: Case) -> Segmentation | None:
    """Make the segmentation of an answer, a segment for each kind that is marked.

    Its frames lie where their slices do, also where the gantry was tilted or the slices are unevenly spaced. Of an
    image of several frames they refer to its frames.

    Args:
        case: the answer.

    Returns:
        None where nothing is marked, there is no mask, or the images do not say where they lie or are frames of several
        files, which one segmentation cannot refer to.
    """
    placed = all(one.place.get(name) for one in case.slices for name in _PLACE)
    placed = placed and all(one.header.get("FrameOfReferenceUID") for one in case.slices)
    if case.mask is None or not placed:
        return None
    marked = [kind for i, kind in enumerate(KINDS, 1) if (case.mask == i).any()]
    if not marked:
        return None
    if not any(one.frames for one in case.slices):
        images, mask = [one.header for one in case.slices], case.mask
    elif len({one.header.SOPInstanceUID for one in case.slices}) == 1:
        image, mask = _of_frames(case.slices, case.mask)
        images = [image]
    else:
        return None
    labels = np.zeros(len(KINDS) + 1, np.uint8)
    labels[[KINDS.index(kind) + 1 for kind in marked]] = np.arange(1, len(marked) + 1)
    made = Segmentation(
        images,
        labels[mask],
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


def _of_frames(slices: Sequence[SourceSlice], mask: NDArray[np.uint8]) -> tuple[Dataset, NDArray[np.uint8]]:
    """An image of several frames as highdicom takes it, and the mask in the order of its frames.

    Args:
        slices: of the image.
        mask: (S, Rows, Columns) of these.

    Returns:
        The image, with the places of its frames alone; those that are in no slice stand where the first one does. The
        mask (frames, Rows, Columns), 0 there.
    """
    image, first = Dataset(), slices[0].place
    image.update(slices[0].header)
    places = {one.image.frame: one.place for one in slices}
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    image.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for number in range(int(image.NumberOfFrames)):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = places.get(number, first).ImagePositionPatient
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = frames
    of_frames = np.zeros((len(frames), *mask.shape[1:]), np.uint8)
    of_frames[[one.image.frame for one in slices]] = mask
    return image, of_frames


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
