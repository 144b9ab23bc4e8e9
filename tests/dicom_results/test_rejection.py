"""The note that rejects what a new answer replaces: valid, of the patient, and of those objects."""

import shutil
import subprocess

import highdicom as hd
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage, SegmentationStorage

from ichmonai.dicom_results.rejection import make_rejection
from tests.dicom_results.test_report import NAMES

OBJECTS = [
    ("2.25.1", "2.25.10", "report.dcm"),
    ("2.25.2", "2.25.20", "summary.dcm"),
    ("2.25.3", "2.25.20", "slice-004.dcm"),
    ("2.25.4", "2.25.30", "segmentation.dcm"),
]
CLASSES = {
    "2.25.1": ComprehensiveSRStorage,
    "2.25.2": SecondaryCaptureImageStorage,
    "2.25.3": SecondaryCaptureImageStorage,
    "2.25.4": SegmentationStorage,
}


@pytest.fixture
def image(write_series):
    return write_series(PatientName="Secret^Name", PatientID="0815", AccessionNumber="A 1") / "00.dcm"


@pytest.fixture
def note(image, tmp_path):
    make_rejection(image, OBJECTS, 2).save_as(tmp_path / "note.dcm", enforce_file_format=True)
    return tmp_path / "note.dcm"


def test_it_names_what_is_rejected_and_why(note, image):
    read = hd.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(note))
    source = pydicom.dcmread(image)
    (title,) = read.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113001", "DCM")
    (study,) = read.CurrentRequestedProcedureEvidenceSequence
    named = {
        (one.ReferencedSOPInstanceUID, series.SeriesInstanceUID, one.ReferencedSOPClassUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert named == {(sop, series, CLASSES[sop]) for sop, series, _ in OBJECTS}
    items = {one.referenced_sop_instance_uid: one for one in read.content.get_references()}
    assert {sop: one.referenced_sop_class_uid for sop, one in items.items()} == CLASSES
    assert {sop: one.value_type.value for sop, one in items.items()} == {
        sop: "COMPOSITE" if kind == ComprehensiveSRStorage else "IMAGE" for sop, kind in CLASSES.items()
    }
    (observer,) = read.content.get_observer_contexts(observer_type=codes.DCM.Device)
    assert observer.observer_identifying_attributes.name == "ichmonai"
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "StudyDate", "StudyTime"):
        assert read[keyword].value == source[keyword].value
    assert study.StudyInstanceUID == source.StudyInstanceUID
    assert (read.Modality, read.SeriesNumber, read.InstanceNumber) == ("KO", 7104, 2)


def test_the_same_objects_are_rejected_once(image):
    first, again = make_rejection(image, OBJECTS, 1), make_rejection(image, OBJECTS[::-1], 1)
    other = make_rejection(image, OBJECTS[:2], 2)
    assert again.SOPInstanceUID == first.SOPInstanceUID != other.SOPInstanceUID
    assert {first.SeriesInstanceUID} == {again.SeriesInstanceUID, other.SeriesInstanceUID}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error(note):
    done = subprocess.run(["dciodvfy", str(note)], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump is not installed")
def test_dsrdump_reads_it(note):
    done = subprocess.run(["dsrdump", str(note)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr in ("", "W: Check for template constraints not yet supported\n")
    assert "Rejected for Quality Reasons" in done.stdout
    assert "Key Object Description" in done.stdout


@pytest.mark.parametrize(("characters", "name"), NAMES.items())
def test_the_patient_is_called_as_in_the_images(write_series, characters, name, tmp_path):
    said = list(characters) if isinstance(characters, tuple) else characters
    image = write_series(SpecificCharacterSet=said, PatientName=name) / "00.dcm"
    make_rejection(image, OBJECTS, 1).save_as(tmp_path / "note.dcm", enforce_file_format=True)
    read, source = pydicom.dcmread(tmp_path / "note.dcm"), pydicom.dcmread(image)
    assert read.PatientName == source.PatientName == name
    assert read.SpecificCharacterSet == source.SpecificCharacterSet
    patient = pydicom.tag.Tag("PatientName")
    assert read.get_item(patient).value.original_string == source.get_item(patient).value.original_string


def test_odd_headers_give_a_note(write_series, tmp_path):
    odd = dict.fromkeys(("PatientSex", "PatientBirthDate", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"))
    image = write_series(**odd, PatientName=None, SpecificCharacterSet="UTF-8") / "00.dcm"
    made = make_rejection(image, OBJECTS, 1)
    made.save_as(tmp_path / "note.dcm", enforce_file_format=True)
    assert made.PatientName == ""
