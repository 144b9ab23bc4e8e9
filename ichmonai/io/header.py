"""What one image's header says, apart from who the patient is."""

import json
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from ichmonai.errors import printable
from ichmonai.io.findings import Code, Finding
from ichmonai.io.series import ImageSource

Vector = tuple[float, ...]
GEOMETRY = {
    "position": "ImagePositionPatient",
    "orientation": "ImageOrientationPatient",
    "spacing": "PixelSpacing",
}
"""Fields of an `ImageHeader` that place an image in the patient, with their names in DICOM."""


class Kind(str, Enum):
    """What an image is stored as."""

    DICOM = "dicom"
    """One image, or one frame, of a series."""
    VOLUME = "volume"
    """NIfTI, NRRD or MetaImage."""
    PICTURE = "picture"
    """One 8-bit slice: PNG, JPEG or BMP."""


@dataclass(frozen=True)
class ImageHeader:
    """One image, one frame of an enhanced multi-frame image, or one volume; nothing that names a patient.

    Of free text only what `header_codes` knows is kept, since headers are written to a batch's journal.

    What is missing or makes no sense is None, 0 or empty, and said in `findings` where it matters.

    Attributes:
        source: where it is.
        study: StudyInstanceUID, else SeriesInstanceUID, else the path as given.
        series: SeriesInstanceUID, else the path as given.
        kind: DICOM, volume or picture.
        size: bytes of its DICOM file, 0 where they do not matter: of two copies, the shorter was cut off.
        sop_instance_uid: SOPInstanceUID.
        sop_class_uid: SOPClassUID.
        modality: Modality of the standard's list.
        image_type: known words of ImageType; that of the frame where frames have their own (FrameType).
        rows: Rows: length along a column.
        columns: Columns.
        slices: 1; of a volume its extent along the third axis; NumberOfFrames where frames have no geometry.
        position: ImagePositionPatient in mm, LPS, (3,).
        orientation: ImageOrientationPatient, unit vectors of a row and of a column, LPS, (6,).
        spacing: PixelSpacing in mm: between rows, between columns, (2,).
        slice_step: of a volume the step from slice to slice in mm, LPS, (3,).
        thickness: SliceThickness in mm.
        kvp: KVP in kV.
        gantry_tilt: GantryDetectorTilt in degrees.
        acquisition: AcquisitionNumber.
        is_scout: whether its description says so.
        contrast: how the header says that contrast medium was given, see `header_codes.codes_of`.
        body_part: "head", another part, or empty where the header does not say.
        kernel: known words of ConvolutionKernel.
        sharpness: 1 of a bone or lung kernel, -1 of one for soft tissue, 0 where neither is known.
        photometric: PhotometricInterpretation of the standard's list; of a picture its mode.
        burned_in: whether BurnedInAnnotation is YES.
        bits: BitsStored.
        manufacturer: of the scanner, where it is known.
        model: known words of ManufacturerModelName.
        findings: what is wrong with the header itself.
        state: of its files before the header was read, see `ichmonai.io.contents.state_of`.
    """

    source: ImageSource
    study: str
    series: str
    kind: Kind = Kind.DICOM
    size: int = 0
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    modality: str = ""
    image_type: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    slices: int = 1
    position: Vector | None = None
    orientation: Vector | None = None
    spacing: Vector | None = None
    slice_step: Vector | None = None
    thickness: float | None = None
    kvp: float | None = None
    gantry_tilt: float | None = None
    acquisition: int | None = None
    is_scout: bool = False
    contrast: str = ""
    body_part: str = ""
    kernel: str = ""
    sharpness: int = 0
    photometric: str = ""
    burned_in: bool = False
    bits: int = 0
    manufacturer: str = ""
    model: str = ""
    findings: tuple[Finding, ...] = ()
    state: str = ""

    @property
    def is_placed(self) -> bool:
        """Whether its place in the patient is known."""
        return None not in (self.position, self.orientation, self.spacing)

    @property
    def missing(self) -> str:
        """What is not known of its place, by its names in DICOM; empty where all is."""
        return " and ".join(name for field, name in GEOMETRY.items() if getattr(self, field) is None)

    def of_folder(self) -> "ImageHeader":
        """The header of a picture as one slice of the study that its folder is."""
        path, member, _ = self.source
        folder = str(PurePosixPath(path, member).parent if member else Path(path).parent)
        return replace(self, study=printable(folder), series=printable(folder))

    def at(self, source: ImageSource) -> "ImageHeader":
        """The header of an image that is elsewhere."""
        copy = object.__new__(ImageHeader)
        copy.__dict__.update(self.__dict__, source=source)
        return copy

    def in_state(self, state: str) -> "ImageHeader":
        """The header with the state of its files."""
        copy = object.__new__(ImageHeader)  # dataclasses.replace looks at every field again
        copy.__dict__.update(self.__dict__, state=state)
        return copy

    def to_json(self) -> str:
        """One line of JSON, without what has its default value."""
        values = {name: value for name, value in vars(self).items() if value != _DEFAULTS.get(name)}
        return json.dumps(values, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "ImageHeader":
        """The header that `to_json` wrote."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
        }
        values["source"] = ImageSource(*values["source"])
        values["kind"] = Kind(values.get("kind", Kind.DICOM))
        values["findings"] = tuple(Finding(Code(code), sentence) for code, sentence in values.get("findings", ()))
        return cls(**values)


_DEFAULTS = {field.name: field.default for field in fields(ImageHeader)}
