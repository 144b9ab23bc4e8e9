"""Phantom studies as DICOM: CT Image Storage (PS3.3 A.3), and the flat layout of the RSNA 2019 challenge."""

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets.phantom.layouts import Truth
from ichmonai.datasets.phantom.study import PhantomStudy

# BitsStored, PixelRepresentation and RescaleIntercept that scanners use.
_STORAGE = ((12, 0, -1024), (16, 1, 0), (16, 1, -1024), (16, 0, -1024))


def write_dicom(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write one DICOM series a patient: ``<patient>/<series UID>/<digest>.dcm``.

    File names do not follow the order of the slices, as in most archives.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    with Truth(folder) as truth:
        for study in studies:
            for record in study.truth:
                dataset = slice_dataset(study, record.index)
                name = hashlib.sha256(dataset.SOPInstanceUID.encode()).hexdigest()[:16]
                path = folder / study.patient / dataset.SeriesInstanceUID / f"{name}.dcm"
                path.parent.mkdir(parents=True, exist_ok=True)
                dataset.save_as(path, enforce_file_format=True)
                truth.add(path, study, record, dataset)
    return truth.path


def write_rsna(folder: Path, studies: Iterable[PhantomStudy]) -> Path:
    """Write the layout of the RSNA 2019 challenge: ``stage_2_train/ID_*.dcm`` and ``stage_2_train.csv``.

    Args:
        folder: an existing folder.
        studies: the patients.

    Returns:
        The path of ``truth.csv``.
    """
    images = folder / "stage_2_train"
    images.mkdir(exist_ok=True)
    with (folder / "stage_2_train.csv").open("w", newline="") as stream, Truth(folder) as truth:
        labels = csv.writer(stream)
        labels.writerow(["ID", "Label"])
        for study in studies:
            for record in study.truth:
                dataset = slice_dataset(study, record.index)
                name = "ID_" + hashlib.sha256(dataset.SOPInstanceUID.encode()).hexdigest()[:9]
                path = images / f"{name}.dcm"
                dataset.save_as(path, enforce_file_format=True)
                truth.add(path, study, record, dataset)
                order = (*RSNA_LABELS[1:], RSNA_LABELS[0])  # the challenge's file has "any" last
                labels.writerows([f"{name}_{k}", record.rsna[RSNA_LABELS.index(k)]] for k in order)
    return truth.path


def slice_dataset(study: PhantomStudy, index: int) -> Dataset:
    """One slice as a CT image with every type 1 and type 2 attribute, Explicit VR Little Endian."""
    source = [str(study.seed), study.patient, study.kind.value, str(study.hu.shape)]

    def uid(*entity: str) -> UID:
        return generate_uid(entropy_srcs=[*source, *entity])

    scanner, size = study.scanner, study.hu.shape[0]
    bits, signed, intercept = _STORAGE[study.seed % len(_STORAGE)]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("image", str(index))
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20200101"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
    ds.AccessionNumber = ""
    ds.Modality = "CT"
    ds.Manufacturer = "ichmonai phantom"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription, ds.SeriesDescription = "CT HEAD PHANTOM", "HEAD 5MM"
    ds.PatientName = f"Phantom^{study.patient}"
    ds.PatientID = study.patient
    ds.PatientBirthDate = ds.PatientSex = ""
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "synthetic image; there is no patient"
    ds.BodyPartExamined = "HEAD"
    ds.SliceThickness = f"{scanner.thickness:g}"
    ds.KVP = "120"
    ds.GantryDetectorTilt = f"{scanner.tilt:g}"
    ds.PatientPosition = "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("study"), uid("series")
    ds.StudyID, ds.SeriesNumber, ds.AcquisitionNumber = "1", "2", "1"
    ds.InstanceNumber = str(index + 1)
    ds.ImagePositionPatient = [f"{v:.6f}" for v in scanner.position(index, size)]
    ds.ImageOrientationPatient = [f"{v + 0.0:.8f}" for v in (*scanner.axes[:, 0], *scanner.axes[:, 1])]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid("frame of reference"), ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = study.hu.shape[:2]
    ds.PixelSpacing = [f"{study.spacing:.10g}"] * 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, signed
    ds.WindowCenter, ds.WindowWidth = "40", "80"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(intercept), "1", "HU"
    stored = study.hu[..., index].astype(np.int32) - intercept
    ds.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    return ds
