"""Attributes that enhanced multi-frame images keep for each frame (PS3.3 C.7.6.16, C.8.15.3)."""

from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from ichmonai.io.findings import HeadCTReadError
from ichmonai.io.formats.dicom.values import integer, items, tag_of
from ichmonai.io.limits import MAX_FRAMES, check_size
from ichmonai.io.series import ImageSource

GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "CTImageFrameTypeSequence": ("FrameType",),
    "CTGeometrySequence": ("GantryDetectorTilt",),
    "CTReconstructionSequence": ("ConvolutionKernel",),
    "CTXRayDetailsSequence": ("KVP",),
}
_AT_THE_TOP = ("PixelValueTransformationSequence",)
"""What some writers leave at the top. A place at the top would be one for all frames."""
_OF_ALL = ("BitsStored", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit")
_NAMES = {"FrameType": "ImageType"}


def frame_datasets(dataset: Dataset, source: ImageSource) -> Iterator[Dataset] | None:
    """What the header of a single-frame image of each frame would say of its place and its values.

    Args:
        dataset: an image.
        source: where it is.

    Returns:
        One data set for each frame; None where the image has no functional groups.

    Raises:
        HeadCTReadError: `TOO_LARGE`, and `UNREADABLE` where frames are not described.
    """
    frames, shared = items(dataset, GROUPS[0]), items(dataset, GROUPS[1])[:1]
    if not frames and not shared:
        return None
    count = integer(dataset, "NumberOfFrames")
    check_size(str(source), integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0, count or 1)
    if count != len(frames) or count > MAX_FRAMES:
        raise HeadCTReadError(
            f"{source} says it has {'no number of' if count is None else count} frames and describes "
            f"{len(frames)} of them (at most {MAX_FRAMES} are read); export it again."
        )
    return (_frame(dataset, (frame, *shared)) for frame in frames)


def _frame(dataset: Dataset, groups: tuple[Dataset, ...]) -> Dataset:
    header = Dataset()
    for name in _OF_ALL:
        _copy(dataset, header, name)
    for macro, names in MACROS.items():
        # A macro stands in the frame's own group or in the shared one, never in both (C.7.6.16.1.1).
        own = next((found[0] for group in groups if (found := items(group, macro))), None)
        if own is None and macro in _AT_THE_TOP:
            own = dataset
        if own is not None:
            for name in names:
                _copy(own, header, name)
    return header


def _copy(origin: Dataset, target: Dataset, name: str) -> None:
    tag = tag_of(name)
    if tag not in origin:
        return
    element: Any = origin.get_item(tag)  # as it stands: it may be damaged
    if new := _NAMES.get(name):
        tag = tag_of(new)
        if isinstance(element, RawDataElement):
            element = element._replace(tag=tag)
        else:
            element = pydicom.DataElement(tag, element.VR, element.value)
    target[tag] = element
