"""Studies of real 8-bit slices, assembled as an archive would hold them."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING, THICKNESS = 0.45, 5.0
"""In mm; the images do not say."""


def write_real_studies(data: Path, folder: Path, count: int | None = None) -> list[str]:
    """Write studies of `phe/` as DICOM.

    Args:
        data: folder that has `phe/`, with `slices.csv` (image, patient, slice; slice 0 is the lowest) and 8-bit images
            in which the value v means HU = 80 * v / 255.
        folder: gets a folder for each study.
        count: how many, from the first; all where None.

    Returns:
        Their StudyInstanceUID.
    """
    images: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    with (data / "phe" / "slices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            images[row["patient"]].append((int(row["slice"]), data / "phe" / row["image"]))
    studies = []
    for patient in sorted(images)[:count]:
        studies.append(generate_uid(entropy_srcs=["study", patient]))
        for index, path in images[patient]:
            one = _slice(patient, studies[-1], index, np.asarray(Image.open(path).convert("L")))
            (folder / patient).mkdir(parents=True, exist_ok=True)
            one.save_as(folder / patient / f"{one.SOPInstanceUID[-12:]}.dcm", enforce_file_format=True)
    return studies


def _slice(patient: str, study: str, index: int, pixels: np.ndarray) -> Dataset:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    one.SOPClassUID = CTImageStorage
    one.SOPInstanceUID = generate_uid(entropy_srcs=["image", patient, str(index)])
    one.StudyInstanceUID = study
    one.SeriesInstanceUID = generate_uid(entropy_srcs=["series", patient])
    one.Modality, one.BodyPartExamined = "CT", "HEAD"
    one.ImagePositionPatient = [-SPACING * pixels.shape[1] / 2, -SPACING * pixels.shape[0] / 2, THICKNESS * index]
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = [SPACING, SPACING], THICKNESS
    one.Rows, one.Columns = pixels.shape
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.RescaleSlope, one.RescaleIntercept = f"{80 / 255:.8f}", "0"
    one.PixelData = pixels.astype("<u2").tobytes()
    return one
