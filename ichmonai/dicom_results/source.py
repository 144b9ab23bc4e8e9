"""The images that an answer is of: whose they are, and where each slice lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from highdicom import PatientSexValues
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from ichmonai.io.files.opening import open_image
from ichmonai.io.formats.dicom.files import PACKED, read_dataset
from ichmonai.io.formats.dicom.functional_groups import frame_datasets
from ichmonai.io.formats.dicom.values import tag_of
from ichmonai.io.series import ImageSource, Series

_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence",
    "ProcedureCodeSequence",
    "ReferencedStudySequence",
)
_PATIENT_GROUPS = (0x0010, 0x0012)  # patient; clinical trial and de-identification
_IMAGE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "InstanceNumber",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
_NEVER_ABSENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
_METHODS = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
_CHECKS: dict[str, Any] = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM, "PatientSex": PatientSexValues}


@dataclass(frozen=True)
class SourceSlice:
    """One slice of an answer.

    Attributes:
        image: where it is.
        header: whose it is and which it is.
        place: where it lies, and how large its pixels are; of a frame its own, else the header.
        character_set: of the texts in its file.
    """

    image: ImageSource
    header: Dataset
    place: Dataset
    character_set: tuple[str, ...]

    @property
    def frames(self) -> list[int] | None:
        """Its number in an image of several frames, from 1; None in an image of its own."""
        return None if self.image.frame < 0 else [self.image.frame + 1]

    @property
    def reference(self) -> dict[str, Any]:
        """Arguments of highdicom's references to an image."""
        return {
            "referenced_sop_class_uid": self.header.SOPClassUID,
            "referenced_sop_instance_uid": self.header.SOPInstanceUID,
            "referenced_frame_numbers": self.frames,
        }


def read_source(series: Series, rows: Sequence[Mapping[str, Any]]) -> list[SourceSlice]:
    """Read the headers of the images that an answer is of.

    Args:
        series: what was predicted.
        rows: of the table of slices.

    Returns:
        A slice for each row, in their order; none where the images are no DICOM files, or no longer what they were.

    Raises:
        HeadCTReadError: where a file cannot be read.
    """
    uids = [str(row.get("sop_instance_uid", "")) for row in rows]
    if not all(uids) or not rows:
        return []
    read: dict[tuple[str, str], _Image] = {}
    for image in series.images:
        if (image.path, image.member) not in read:
            read[image.path, image.member] = _read(image)
    found = [read[image.path, image.member].slice_of(image) for image in series.images]
    if [one.header.get("SOPInstanceUID") for one in found] != uids:  # images of another geometry were left out
        by_uid = {one.header.get("SOPInstanceUID"): one for one in found}
        if len(by_uid) < len(found) or not by_uid.keys() >= set(uids):
            return []
        found = [by_uid[uid] for uid in uids]
    return found if all(one.header.get("StudyInstanceUID") for one in found) else []


class _Image(NamedTuple):
    """A file, with the places of its frames."""

    header: Dataset
    places: list[Dataset]
    character_set: tuple[str, ...]

    def slice_of(self, image: ImageSource) -> SourceSlice:
        place = self.places[image.frame] if 0 <= image.frame < len(self.places) else self.header
        return SourceSlice(image, self.header, place, self.character_set)


def _read(image: ImageSource) -> _Image:
    with open_image(image, inflate=image.name.endswith(PACKED)) as file:
        dataset = read_dataset(file, image, stop_before_pixels=True)
    return _Image(known_header(dataset), list(frame_datasets(dataset, image) or ()), character_set(dataset))


def known_header(dataset: Dataset) -> Dataset:
    """Of a header what objects repeat of it, without values that DICOM does not allow there.

    Args:
        dataset: of an image, as it was read.

    Returns:
        Patient and study as they are, and what tells the image and its place. What DICOM wants in every object is
        there, empty where the image does not say it.
    """
    kept = Dataset()
    tags = {tag_of(name) for name in (*_STUDY, *_IMAGE)}
    for tag in list(dataset.keys()):  # iterating over the data set itself would convert values
        if tag in tags or tag.group in _PATIENT_GROUPS:
            try:
                if dataset[tag].value not in (None, ""):
                    kept.add(dataset[tag])
            except Exception:  # noqa: S112  pydicom raises errors of many kinds on values that are damaged
                continue
    for name in _NEVER_ABSENT:
        if name not in kept or not _is_allowed(name, kept[name].value):
            setattr(kept, name, "")
    if kept.get("PatientIdentityRemoved") == "YES" and not any(name in kept for name in _METHODS):
        kept.DeidentificationMethod = "that of the images, which do not say it"
    return kept


def _is_allowed(name: str, value: Any) -> bool:
    try:
        _CHECKS.get(name, str)(value or None)
    except (ValueError, TypeError):
        return not value
    return True


def character_set(dataset: Dataset) -> tuple[str, ...]:
    """Of the texts of an image, in which an object repeats them.

    Returns:
        Its SpecificCharacterSet; UTF-8 where that is none of the standard's: the texts were decoded as well as could
        be. Nothing where it is the default one.
    """
    said = dataset.get("SpecificCharacterSet") or ()
    values = (said,) if isinstance(said, str) else tuple(one or "" for one in said)
    return values if all(one in python_encoding for one in values) else ("ISO_IR 192",)


def set_character_set(made: Dataset, said: Sequence[str]) -> None:
    """Write the texts of an object as the images do; those that are not of the images have to be ASCII."""
    if said:
        made.SpecificCharacterSet = list(said) if len(said) > 1 else said[0]
    else:
        del made.SpecificCharacterSet
