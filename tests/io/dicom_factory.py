"""Small CT Images whose HU are a function of the place in the patient, so that any error of geometry shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from ichmonai.io import ImageHeader, ImageSource
from ichmonai.io.formats.dicom.codes import codes_of

SUPINE = (1, 0, 0, 0, 1, 0)
PRONE = (-1, 0, 0, 0, -1, 0)
SERIES = generate_uid(entropy_srcs=["series"])


def hu_at(lps: np.ndarray) -> np.ndarray:
    """HU at places (..., 3) in mm of the patient's LPS system."""
    return 40 + lps @ np.array([1.0, 3.0, 5.0])


def uid_of(name: str) -> str:
    return generate_uid(entropy_srcs=[name])


def write_slice(
    path: Path,
    position: Sequence[float] = (-10, -12, 0),
    orientation: Sequence[float] = SUPINE,
    shape: tuple[int, int] = (32, 24),
    spacing: tuple[float, float] = (0.5, 1.0),
    storage: tuple[int, int, float, float] = (16, 1, 1, -1024),
    hu: np.ndarray | None = None,
    **attributes: Any,
) -> Path:
    """Write one CT Image; `storage` is BitsStored, PixelRepresentation, slope, intercept; None removes an attribute."""
    bits, signed, slope, intercept = storage
    row, column = np.indices(shape)
    along_row, along_column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    if hu is None:
        places = (
            np.array(position) + row[..., None] * spacing[0] * along_column + column[..., None] * spacing[1] * along_row
        )
        hu = hu_at(places)
    stored = np.round((hu - intercept) / slope)
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid_of(path.stem)
    dataset.SeriesInstanceUID = SERIES
    dataset.Modality = "CT"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = signed
    dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), str(intercept)
    dataset.ImagePositionPatient = [f"{v:.6g}" for v in position]
    dataset.ImageOrientationPatient = [f"{v:.8g}" for v in orientation]
    dataset.PixelSpacing = list(spacing)
    dataset.SliceThickness = "5"
    dataset.PixelData = stored.astype(np.int16 if signed else np.uint16).tobytes()
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    if int(pydicom.__version_info__[0]) < 3:
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(path, write_like_original=False)
    else:
        dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, heights: Sequence[float], **kwargs: Any) -> list[Path]:
    """Write slices at heights in mm along z, in files whose names do not follow them."""
    names = [f"{uid_of(str(number))[-6:]}_{height}.dcm" for number, height in enumerate(heights)]
    return [write_slice(folder / n, (-10, -12, z), **kwargs) for n, z in zip(names, heights, strict=True)]


def write_head(folder: Path, count: int = 20, distance: float = 5.0, lowest: float = 0.0, **kwargs: Any) -> list[Path]:
    """Write an axial series whose extent is that of a head; pixels are few."""
    heights = [lowest + distance * number for number in range(count)]
    attributes = {"StudyInstanceUID": uid_of("study"), "SeriesInstanceUID": SERIES, **kwargs}
    stem = attributes["SeriesInstanceUID"][-8:]
    return [
        write_slice(
            folder / f"{uid_of(f'{stem}{number}')[-6:]}_{stem}_{height:g}.dcm",
            (-70, -70, height),
            **{"shape": (48, 48), "spacing": (3.0, 3.0), "SOPInstanceUID": uid_of(f"{stem}{number}"), **attributes},
        )
        for number, height in enumerate(heights)
    ]


def head_headers(count: int = 20, distance: float = 5.0, lowest: float = 0.0, **changes: Any) -> list[ImageHeader]:
    """Headers of a plausible axial head series, without files; descriptions are given as a file has them."""
    series = changes.pop("series", SERIES)
    names = ("series_description", "body_part", "protocol", "study_description", "contrast_agent", "kernel")
    texts = {"series_description": "HEAD 5mm"} | {name: changes.pop(name) for name in names if name in changes}
    headers = []
    for number in range(count):
        values = {
            "source": ImageSource(f"{series[-6:]}/{number:03d}.dcm"),
            "study": "1.2.3",
            "series": series,
            "sop_instance_uid": f"{series}.{number}",
            "sop_class_uid": str(CTImageStorage),
            "modality": "CT",
            "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
            "rows": 512,
            "columns": 512,
            "position": (-120.0, -120.0, lowest + distance * number),
            "orientation": tuple(map(float, SUPINE)),
            "spacing": (0.45, 0.45),
            "thickness": 5.0,
            **codes_of(**texts),
            "photometric": "MONOCHROME2",
            "bits": 12,
        }
        headers.append(ImageHeader(**(values | changes)))
    return headers


def write_enhanced(path: Path, heights: Sequence[float]) -> Path:
    """Write an Enhanced CT image (PS3.3 A.38) with one frame at each height, in that order."""
    path = write_slice(path, shape=(48, 48), spacing=(3.0, 3.0))
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    dataset.StudyInstanceUID = uid_of("study")
    dataset.NumberOfFrames = len(heights)
    dataset.PixelData = dataset.PixelData * len(heights)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del dataset[name]
    orientation, measures, frame_type = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = list(SUPINE)
    measures.PixelSpacing, measures.SliceThickness = [3.0, 3.0], 5
    frame_type.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = Dataset()
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    shared.CTImageFrameTypeSequence = [frame_type]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for height in heights:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [-70, -70, height]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.save_as(path)
    return path
