"""Studies of real 8-bit slices, assembled as an archive would hold them.

To run all of them, half as DICOM and half as NIfTI: python -m tests.prediction.real_studies DATA FOLDER
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING, THICKNESS = 0.45, 5.0
"""In mm; the images do not say."""
SLOPE = f"{80 / 255:.8f}"
"""HU of one step of an 8-bit image."""


def write_real_studies(
    data: Path, folder: Path, count: int | None = None, start: int = 0, nifti: bool = False
) -> list[str]:
    """Write studies of `phe/`.

    Args:
        data: folder that has `phe/`, with `slices.csv` (image, patient, slice; slice 0 is the lowest) and 8-bit images
            in which the value v means HU = 80 * v / 255.
        folder: gets a folder for each study, or a volume.
        count: how many; all where None.
        start: the first of them.
        nifti: as volumes instead of DICOM.

    Returns:
        Their names in the tables: StudyInstanceUID, or the path of the volume.
    """
    images: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    with (data / "phe" / "slices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            images[row["patient"]].append((int(row["slice"]), data / "phe" / row["image"]))
    folder.mkdir(parents=True, exist_ok=True)
    studies = []
    for patient in sorted(images)[start:][:count]:
        if nifti:
            pixels = [np.asarray(Image.open(path).convert("L")) for _, path in sorted(images[patient])]
            # As DICOM stores them: to the same float32.
            hu = np.stack(pixels, axis=-1).astype(np.float32) * np.float32(SLOPE)
            affine = np.diag([-SPACING, -SPACING, THICKNESS, 1.0])
            studies.append(str(folder / f"{patient}.nii.gz"))
            nib.save(nib.Nifti1Image(hu.transpose(1, 0, 2), affine), studies[-1])
            continue
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
    one.RescaleSlope, one.RescaleIntercept = SLOPE, "0"
    one.PixelData = pixels.astype("<u2").tobytes()
    return one


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    write_real_studies(data, out / "dicom", 28)
    write_real_studies(data, out / "nifti", start=28, nifti=True)
