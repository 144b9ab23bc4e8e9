"""Whole studies: series that are mixed, incomplete, or of something else than a head CT."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    EnhancedSRStorage,
    MRImageStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
)

from tests.torture.cases import PREDICTED, SLICE, STUDY, Inputs
from tests.torture.dicom_files import dataset, encoded, phantom, put, uid_of, write_series

DAMAGED = 10
"""Number of the slice that is damaged in a series of others that are not."""


def write_study_cases(inputs: Inputs) -> None:
    """All of them."""
    _series(inputs)
    _one_bad_slice(inputs)
    _mixed(inputs)
    _other_objects(inputs)
    _enhanced(inputs)


def _series(inputs: Inputs) -> None:
    def undisturbed(one: Dataset, _: int) -> None:
        pass

    def same_place(one: Dataset, _: int) -> None:
        one.ImagePositionPatient = [0, 0, 0]

    def far_apart(one: Dataset, index: int) -> None:
        one.ImagePositionPatient = [0, 0, 900 * index]

    def turned(one: Dataset, index: int) -> None:
        c, s = np.cos(index / 5), np.sin(index / 5)
        one.ImageOrientationPatient = [f"{v:.8f}" for v in (c, s, 0, -s, c, 0)]

    def coronal(one: Dataset, index: int) -> None:
        one.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        one.ImagePositionPatient = [0, 5 * index, 0]

    def acquisitions(one: Dataset, index: int) -> None:
        one.AcquisitionNumber = index

    def contrast(one: Dataset, _: int) -> None:
        one.ContrastBolusAgent = "ULTRAVIST 370"

    def derived(one: Dataset, _: int) -> None:
        one.ImageType = ["DERIVED", "SECONDARY", "MIP"]

    def localizer(one: Dataset, _: int) -> None:
        one.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def abdomen(one: Dataset, _: int) -> None:
        one.BodyPartExamined, one.SeriesDescription, one.StudyDescription = "ABDOMEN", "ABDOMEN", "CT ABDOMEN"

    def magnetic(one: Dataset, _: int) -> None:
        one.Modality, one.SOPClassUID = "MR", MRImageStorage

    def burned(one: Dataset, _: int) -> None:
        one.BurnedInAnnotation = "YES"

    def alike(one: Dataset, index: int) -> None:
        one.SOPInstanceUID = uid_of("always the same")

    def no_study(one: Dataset, index: int) -> None:
        del one.StudyInstanceUID

    def every_third(one: Dataset, index: int) -> None:
        if index % 3 == 0:
            one.SeriesInstanceUID = uid_of("another series")

    def unsigned(one: Dataset, _: int) -> None:
        del one.RescaleIntercept

    for change, expected in (
        (undisturbed, {PREDICTED}),
        (same_place, {"bad_geometry"}),
        (far_apart, {"bad_geometry"}),
        (turned, {"not_head", "not_selected"}),
        (coronal, {"not_axial"}),
        (acquisitions, {PREDICTED}),
        (contrast, {"contrast"}),
        (derived, {"derived"}),
        (localizer, {"localizer"}),
        (abdomen, {"not_head"}),
        (magnetic, {"wrong_modality"}),
        (burned, {"burned_in"}),
        (alike, {PREDICTED}),
        (no_study, {PREDICTED}),
        (every_third, {PREDICTED, "not_selected"}),
        (unsigned, {"not_hu"}),
    ):
        name = change.__name__
        folder = inputs.folder("studies") / name
        write_series(folder, name, change)
        inputs.expect(folder, expected, shows=() if "not_selected" in expected else (STUDY,))


def _one_bad_slice(inputs: Inputs) -> None:
    def drop(keyword: str) -> Callable[[Dataset], Any]:
        return lambda one: delattr(one, keyword)

    def set_(keyword: str, value: bytes) -> Callable[[Dataset], Any]:
        return lambda one: put(one, keyword, value)

    without = {PREDICTED, "unreadable"}
    changes = {
        "no pixels": (drop("PixelData"), {"undecodable"}),
        "no position": (drop("ImagePositionPatient"), {PREDICTED, "bad_geometry"}),
        "no UID": (drop("SOPInstanceUID"), {"unreadable"}),
        "no rows": (drop("Rows"), without),
        "other rows": (set_("Rows", b"\x30\0"), {PREDICTED, "not_selected"}),
        "nan position": (set_("ImagePositionPatient", b"nan\\nan\\nan"), {PREDICTED, "bad_geometry"}),
        "nan slope": (set_("RescaleSlope", b"nan"), {"not_hu"}),
        "far away": (set_("ImagePositionPatient", b"0\\0\\50000"), {"bad_geometry"}),
        "frames": (set_("NumberOfFrames", b"1000000"), {"too_large"}),
        "modality": (set_("Modality", b"PT"), {"wrong_modality"}),
    }
    for name, (damage, expected) in changes.items():
        folder = inputs.folder("studies") / f"one slice, {name}"
        write_series(folder, name, lambda one, index, damage=damage: damage(one) if index == DAMAGED else None)
        # What is predicted of a series that lacks a slice says so.
        inputs.expect(folder, expected, warned="missing_slices")
    folder = inputs.folder("studies") / "one slice, other study"
    other = set_("StudyInstanceUID", uid_of("other study").encode())
    paths = write_series(folder, "other study", lambda one, index: other(one) if index == DAMAGED else None)
    inputs.expect(paths[0], {PREDICTED}, warned="missing_slices")
    inputs.expect(paths[DAMAGED], {PREDICTED}, warned="too_few_slices")
    damages = {"empty": b"", "cut header": None, "cut pixels": None, "text": b"text", "gone": None}
    for name, content in damages.items():
        folder = inputs.folder("studies") / f"one slice, {name}"
        path = write_series(folder, name)[DAMAGED]
        whole = path.read_bytes()
        path.write_bytes(content if content is not None else whole[: 400 if name == "cut header" else -500])
        if name == "gone":
            path.unlink()
        expected = {"cut pixels": {"undecodable"}, "gone": {PREDICTED}}.get(name, without)
        inputs.expect(folder, expected, warned="missing_slices")


def _mixed(inputs: Inputs) -> None:
    """Several series and studies without order in one folder."""
    folder = inputs.folder("studies") / "mixed"
    for name in ("first", "second", "third"):
        write_series(folder, name)
    for name, kernel in (("bone", "H70h"), ("soft", "H30s"), ("contrast", "H30s")):
        paths = write_series(folder, name)
        for path in paths:
            one = pydicom.dcmread(path)
            one.StudyInstanceUID = uid_of("of three series")
            one.ConvolutionKernel = kernel
            one.SeriesDescription = "HEAD WITH CONTRAST" if name == "contrast" else "HEAD"
            path.write_bytes(encoded(one))
    for name in ("first", "second", "third", "soft"):
        inputs.expect(folder / f"{name}_00.dcm", PREDICTED, shows=(STUDY,))
    inputs.expect(folder / "bone_00.dcm", "not_selected")
    inputs.expect(folder / "contrast_00.dcm", "contrast")
    folder = inputs.folder("studies") / "localizer in series"
    write_series(folder, "with localizer")
    for number in range(2):
        scout = dataset("with localizer")
        scout.SOPInstanceUID = uid_of(f"scout {number}")
        scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        scout.ImageOrientationPatient = [0, 1, 0, 0, 0, -1] if number else [1, 0, 0, 0, 0, -1]
        (folder / f"scout {number}.dcm").write_bytes(encoded(scout))
        inputs.expect(folder / f"scout {number}.dcm", "localizer")
    inputs.expect(folder / "with localizer_00.dcm", PREDICTED, shows=(STUDY,))
    folder = inputs.folder("studies") / "copies"
    write_series(folder / "one", "copied")
    write_series(folder / "two", "copied")
    inputs.expect(folder, PREDICTED, shows=(STUDY,), warned="duplicates")
    folder = inputs.folder("studies") / "copies, the first cut"
    for path in write_series(folder / "one", "copied and cut"):
        path.write_bytes(path.read_bytes()[:-500])
    write_series(folder / "two", "copied and cut")
    inputs.expect(folder, PREDICTED, shows=(STUDY,), warned="duplicates")
    folder = inputs.folder("studies") / "hundred series"
    for number in range(100):
        one = dataset("hundred", number % phantom().hu.shape[-1])
        one.SeriesInstanceUID, one.SOPInstanceUID = uid_of(f"of hundred {number}"), uid_of(f"in hundred {number}")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.dcm").write_bytes(encoded(one))
    inputs.expect(folder, PREDICTED, "no_brain", "not_selected")


def _other_objects(inputs: Inputs) -> None:
    for name, sop_class, modality, has_pixels, expected in (
        ("capture", SecondaryCaptureImageStorage, "CT", True, {"derived"}),
        ("capture_ot", SecondaryCaptureImageStorage, "OT", True, {"wrong_modality"}),
        ("report", EnhancedSRStorage, "SR", False, {"wrong_modality"}),
        ("report_ct", EnhancedSRStorage, "CT", False, {"unreadable"}),
        ("document", EncapsulatedPDFStorage, "DOC", False, {"wrong_modality"}),
        ("structures", RTStructureSetStorage, "RTSTRUCT", False, {"wrong_modality"}),
        ("resonance", MRImageStorage, "MR", True, {"wrong_modality"}),
    ):
        one = dataset(name)
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = sop_class
        one.Modality = modality
        if not has_pixels:
            for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
                delattr(one, keyword)
        inputs.file("objects", f"{name}.dcm", encoded(one), expected)
    one = dataset("colour")
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
    one.PixelData = bytes(one.Rows * one.Columns * 3)
    inputs.file("objects", "colour.dcm", encoded(one), "burned_in")
    one = dataset("white")
    one.PhotometricInterpretation = "MONOCHROME1"
    inputs.file("objects", "white.dcm", encoded(one), PREDICTED, shows=SLICE)


def _enhanced(inputs: Inputs) -> None:
    def frames(one: Dataset, count: int) -> None:
        one.PerFrameFunctionalGroupsSequence = one.PerFrameFunctionalGroupsSequence[:count]

    def without(keyword: str) -> Callable[[Dataset], Any]:
        return lambda one: delattr(one, keyword)

    def bare(one: Dataset) -> None:
        for frame in one.PerFrameFunctionalGroupsSequence:
            del frame.PlanePositionSequence

    def empty_group(one: Dataset) -> None:
        one.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence = []

    def bad_position(one: Dataset) -> None:
        put(one.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0], "ImagePositionPatient", b"nan\\0\\0")

    for name, change, expected in (
        ("whole", lambda one: None, {PREDICTED}),
        ("fewer groups", lambda one: frames(one, 5), {"unreadable"}),
        ("no groups", lambda one: frames(one, 0), {"unreadable"}),
        ("no shared groups", without("SharedFunctionalGroupsSequence"), {"bad_geometry"}),
        ("no frame groups", without("PerFrameFunctionalGroupsSequence"), {"unreadable"}),
        ("no number", without("NumberOfFrames"), {"unreadable"}),
        ("a million", lambda one: put(one, "NumberOfFrames", b"1000000"), {"too_large"}),
        ("no pixels", without("PixelData"), {"undecodable"}),
        ("no positions", bare, {"bad_geometry"}),
        ("an empty group", empty_group, {"bad_geometry", PREDICTED}),
        ("a bad position", bad_position, {"bad_geometry", PREDICTED}),
        ("cut", lambda one: setattr(one, "PixelData", one.PixelData[:-50_000]), {"undecodable"}),
    ):
        one = enhanced(f"enhanced {name}")
        change(one)
        inputs.file("enhanced", f"{name}.dcm", encoded(one), expected, shows=STUDY if name == "whole" else "")


def enhanced(name: str) -> Dataset:
    """The phantom as one Enhanced CT image (PS3.3 A.38)."""
    count = phantom().hu.shape[-1]
    slices = [dataset(name, index) for index in range(count)]
    one = slices[0]
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    one.NumberOfFrames = count
    one.PixelData = b"".join(slice_.PixelData for slice_ in slices)
    positions = [slice_.ImagePositionPatient for slice_ in slices]
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = one.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = one.PixelSpacing, one.SliceThickness
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    one.SharedFunctionalGroupsSequence = [shared]
    one.PerFrameFunctionalGroupsSequence = []
    for position in positions:
        plane, frame = Dataset(), Dataset()
        plane.ImagePositionPatient = position
        frame.PlanePositionSequence = [plane]
        one.PerFrameFunctionalGroupsSequence.append(frame)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(one, keyword)
    return one
