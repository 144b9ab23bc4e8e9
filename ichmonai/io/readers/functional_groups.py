"""Attributes that enhanced multi-frame images keep for each frame (PS3.3 C.7.6.16)."""

from pydicom.dataset import Dataset

_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
_MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
}


def is_enhanced(dataset: Dataset) -> bool:
    """Whether an image has functional groups, as Enhanced CT (PS3.3 A.38) and its legacy converted form."""
    return bool(dataset.get(_PER_FRAME) or dataset.get(_SHARED))


def frame_header(dataset: Dataset, index: int) -> Dataset:
    """What the header of a single-frame image of one frame would say of its place and its values.

    Args:
        dataset: an image, enhanced or not.
        index: of the frame, from 0.

    Raises:
        ValueError: where an enhanced image does not describe the frame.
    """
    if not is_enhanced(dataset):
        return dataset
    frames = dataset.get(_PER_FRAME) or ()
    if index >= len(frames):
        raise ValueError(f"it describes {len(frames)} frames, and not number {index + 1}")
    groups = (frames[index], *(dataset.get(_SHARED) or ())[:1])
    header = Dataset()
    for name in ("BitsStored", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"):
        if name in dataset:
            header[name] = dataset[name]
    for macro, names in _MACROS.items():
        # A macro stands in the frame's own group or in the shared one, never in both (C.7.6.16.1.1). Some writers leave
        # the rescaling at the top instead.
        items = next((items for group in groups if (items := group.get(macro))), (dataset,))
        for name in names:
            if name in items[0]:
                header[name] = items[0][name]
    return header
