"""The structured report: valid, and what the tables say."""

import shutil
import subprocess
from dataclasses import replace

import highdicom as hd
import pydicom
import pytest
from highdicom.sr.utils import find_content_items
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ichmonai.dicom_results.objects import REPORT, case_of, make_objects
from ichmonai.notice import NOTICE
from ichmonai.prediction.report.templates import read_templates
from ichmonai.prediction.report.words import draft
from ichmonai.tables import VOLUMES
from tests.dicom_results.conftest import DEVICE, answer_of, series_of

NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг",  # noqa: RUF001
    "ISO_IR 192": "Wang^XiaoDong=王^小东",
    "GB18030": "Wang^XiaoDong=王^小东",
    ("", "ISO 2022 IR 87"): "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ("ISO 2022 IR 13", "ISO 2022 IR 87"): "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ("", "ISO 2022 IR 149"): "Hong^Gildong=洪^吉洞=홍^길동",
}


def written(series, answer, path, device=DEVICE):
    made = make_objects(case_of(series, answer, device))[REPORT]
    made.save_as(path, enforce_file_format=True)
    return hd.sr.srread(path)


def groups(report):
    found = report.content.get_image_measurement_groups()
    return {one.tracking_identifier.removeprefix("ichmonai "): one for one in found}


def value(group, name):
    (found,) = group.get_measurements(name)
    return found.value


def presence(group):
    (found,) = group.get_qualitative_evaluations(codes.DCM.PresenceOfProperty)
    return found.value.meaning


def test_it_says_what_the_tables_say(series, answer, tmp_path):
    report = written(series, answer, tmp_path / "report.dcm")
    found = groups(report)
    study = found["study"]
    assert study.finding_type == Code("1386000", "SCT", "Intracranial hemorrhage")
    assert value(study, codes.DCM.Probability) == pytest.approx(float(answer.study["p_ich"]))
    assert presence(study) == "Present"
    (site,) = study.finding_sites
    assert (site.value.meaning, site.topographical_modifier.meaning) == ("Supratentorial brain structure", "Deep")
    assert value(study, codes.SCT.Volume) == 12.5
    for name, p in (("deep", "0.75"), ("lobar", "0.125"), ("subtentorial", "0.125")):
        assert value(found[f"site {name}"], codes.DCM.Probability) == float(p)
    assert presence(found["kind intraparenchymal"]) == presence(found["kind intraventricular"]) == "Present"
    assert presence(found["kind epidural"]) == "Absent"
    assert found["kind intraventricular"].finding_sites[0].value.meaning == "Brain ventricle"
    assert value(found["kind intraparenchymal"], codes.SCT.Volume) == value(study, codes.SCT.Volume)
    assert value(found["kind subdural"], codes.SCT.Volume) == 0


def test_every_slice_that_was_classified_is_a_finding_of_its_image(series, answer, tmp_path):
    report = written(series, answer, tmp_path / "report.dcm")
    found = groups(report)
    assert "slice 1" not in found
    for i, row in list(enumerate(answer.slices))[1:]:
        group = found[f"slice {i + 1}"]
        (image,) = group.source_images
        assert image.referenced_sop_instance_uid == row["sop_instance_uid"]
        assert value(group, codes.DCM.Probability) == pytest.approx(float(row["p_ich"]))
        assert presence(group) == ("Present" if float(row["p_ich"]) > 0.5 else "Absent")
        assert value(group, codes.SCT.Area) == float(row["area_mm2"])
    keys = [image.referenced_sop_instance_uid for image in found["study"].source_images]
    assert answer.study["leading_sop_instance_uid"] in keys
    positive = [row["sop_instance_uid"] for row in answer.slices if float(row.get("p_ich") or 0) > 0.5]
    assert keys == positive[:8]
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (one,) = study.ReferencedSeriesSequence
    assert one.SeriesInstanceUID == series.series
    assert {image.ReferencedSOPInstanceUID for image in one.ReferencedSOPSequence} == {
        row["sop_instance_uid"] for row in answer.slices
    }


def test_who_says_it_and_how_much_it_counts(series, answer, tmp_path):
    report = written(series, answer, tmp_path / "report.dcm")
    assert (report.VerificationFlag, report.PreliminaryFlag, report.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    (observer,) = report.content.get_observer_contexts(observer_type=codes.DCM.Device)
    assert observer.observer_identifying_attributes.name == "ichmonai"
    root = report.content[0]
    said = [one.value for one in find_content_items(root, name=codes.DCM.Comment)]
    assert said[0] == NOTICE
    assert "if there is a haemorrhage" in said[1]
    assert "between 9.0 and 20.0 mL" in said[2]
    texts = [one.value for one in find_content_items(root, name=codes.DCM.AlgorithmParameters, recursive=True)]
    assert f"weights SHA-256 {DEVICE.weights}" in texts
    assert groups(report)["study"][0].ContentSequence  # TID 4019 stands in each group
    families = find_content_items(root, name=codes.DCM.AlgorithmFamily, recursive=True)
    assert len(families) == len(groups(report))


def test_a_negative_answer_has_no_site(phantom, series, tmp_path):
    answer = answer_of(phantom, series, "negative")
    answer.study.update(dict.fromkeys(VOLUMES, ""))
    found = groups(written(series, replace(answer, mask=None), tmp_path / "report.dcm"))
    assert presence(found["study"]) == "Absent"
    assert found["study"].finding_sites == []
    assert not found["study"].get_measurements(codes.SCT.Volume)
    assert not [name for name in found if name.startswith("site")]
    assert len(found["study"].source_images) == 1


def sentences(report, name):
    return [
        one for one in find_content_items(report.content[0], name=name) if one.relationship_type.value == "CONTAINS"
    ]


@pytest.mark.parametrize("outcome", ["positive", "negative", "no_prediction"])
def test_the_draft_in_words_comes_back_with_the_values_that_it_was_made_of(phantom, series, outcome, tmp_path):
    answer = answer_of(phantom, series, outcome)
    report = written(series, answer, tmp_path / "report.dcm", replace(DEVICE, negative_up_to=0.01))
    said = draft(answer.study, DEVICE.threshold, 0.01)
    for name, part in ((codes.DCM.Finding, said.findings), (codes.DCM.Impression, said.impression)):
        found = sentences(report, name)
        assert [one.value for one in found] == [one.text for one in part]
        for item, one in zip(found, part, strict=True):
            values = [source.TextValue for source in item.get("ContentSequence", ())]
            assert values == ([one.traced] if one.sources else [])
    assert "p_ich = " in said.impression[0].traced


@pytest.mark.parametrize("character_set", [None, "ISO_IR 100", "GB18030", ("", "ISO 2022 IR 87")])
def test_a_draft_in_german_keeps_its_letters_and_the_name(write_series, phantom, character_set, tmp_path):
    name = NAMES.get(character_set, "Wang^XiaoDong")
    sets = list(character_set) if isinstance(character_set, tuple) else character_set
    series = series_of(write_series(SpecificCharacterSet=sets, PatientName=name))
    device = replace(DEVICE, templates=read_templates("de"))
    report = written(series, answer_of(phantom, series), tmp_path / "report.dcm", device)
    assert any("höchsten" in one.value for one in sentences(report, codes.DCM.Finding))
    assert str(report.PatientName) == name
    assert report.SOPInstanceUID != written(series, answer_of(phantom, series), tmp_path / "en.dcm").SOPInstanceUID


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("outcome", ["positive", "negative", "no_prediction"])
def test_dciodvfy_finds_no_error(phantom, series, outcome, tmp_path):
    written(series, answer_of(phantom, series, outcome), tmp_path / "report.dcm")
    done = subprocess.run(["dciodvfy", str(tmp_path / "report.dcm")], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_one_that_replaces_others_says_so_and_is_sound(series, answer, tmp_path):
    case = case_of(series, answer, DEVICE)
    first = make_objects(case)["report.dcm"]
    second = make_objects(replace(case, replaces=[(first.SOPInstanceUID, first.SeriesInstanceUID)]))
    second["report.dcm"].save_as(tmp_path / "report.dcm", enforce_file_format=True)
    done = subprocess.run(["dciodvfy", str(tmp_path / "report.dcm")], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr
    read = hd.sr.srread(tmp_path / "report.dcm")
    (study,) = read.PredecessorDocumentsSequence
    (one,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert one.ReferencedSOPInstanceUID == first.SOPInstanceUID != read.SOPInstanceUID
    assert read.SeriesInstanceUID == first.SeriesInstanceUID
    assert b"This report replaces the 1 before it in this series." in (tmp_path / "report.dcm").read_bytes()


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump is not installed")
def test_dsrdump_reads_it(series, answer, tmp_path):
    written(series, answer, tmp_path / "report.dcm")
    done = subprocess.run(["dsrdump", "-Ee", str(tmp_path / "report.dcm")], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert not done.stderr
    assert done.stdout.count('"Measurement Group"') == 1 + 3 + 5 + len(answer.slices) - 1


@pytest.mark.parametrize(("characters", "name"), NAMES.items())
def test_the_patient_is_called_as_in_the_images(phantom, write_series, characters, name, tmp_path):
    said = list(characters) if isinstance(characters, tuple) else characters
    birth = {"PatientBirthDate": "19500102", "PatientSex": "F", "AccessionNumber": "A 1", "StudyID": "S1"}
    folder = write_series(SpecificCharacterSet=said, PatientName=name, PatientID="0815", **birth)
    series = series_of(folder)
    written(series, answer_of(phantom, series), tmp_path / "report.dcm")
    report, image = (pydicom.dcmread(path) for path in (tmp_path / "report.dcm", folder / "00.dcm"))
    assert report.PatientName == image.PatientName == name
    assert report.SpecificCharacterSet == image.SpecificCharacterSet
    patient = pydicom.tag.Tag("PatientName")
    assert report.get_item(patient).value.original_string == image.get_item(patient).value.original_string
    for keyword in ("PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", *birth):
        assert report[keyword].value == image[keyword].value, keyword


@pytest.mark.parametrize(
    "odd",
    [
        {"PatientSex": "X", "PatientBirthDate": "1950", "StudyTime": "noon"},
        dict.fromkeys(("PatientSex", "PatientBirthDate", "StudyID", "StudyDate", "StudyTime", "AccessionNumber")),
        dict.fromkeys(("PatientName", "PatientID", "SpecificCharacterSet", "ReferringPhysicianName")),
        {"SpecificCharacterSet": "UTF-8"},
    ],
    ids=["not allowed", "absent", "nobody", "no character set"],
)
def test_odd_headers_give_valid_reports(phantom, write_series, odd, tmp_path):
    with pydicom.config.disable_value_validation():
        series = series_of(write_series(**odd))
    report = written(series, answer_of(phantom, series), tmp_path / "report.dcm")
    assert report.StudyInstanceUID == series.study
    for keyword in ("PatientSex", "PatientBirthDate", "StudyTime"):
        assert report[keyword].value in ("", None) or keyword not in odd
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", str(tmp_path / "report.dcm")], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr


def test_nobody_is_named_on_the_way(phantom, write_series, caplog, recwarn):
    series = series_of(write_series(PatientName="Secret"))
    make_objects(case_of(series, answer_of(phantom, series), DEVICE))
    assert "Secret" not in caplog.text + "".join(str(one.message) for one in recwarn)


def test_series_have_a_date(series, answer):
    """By which archives list them."""
    made = make_objects(case_of(series, answer, DEVICE))
    when = (made[REPORT].ContentDate, made[REPORT].ContentTime)
    assert {(one.get("SeriesDate"), one.get("SeriesTime")) for one in made.values()} == {when}


def test_uids_are_those_of_inputs_and_weights(series, answer):
    def uids(answer, device=DEVICE):
        made = make_objects(case_of(series, answer, device))
        return {one.SOPInstanceUID for one in made.values()} | {one.SeriesInstanceUID for one in made.values()}

    first = uids(answer)
    assert uids(answer) == first
    (series_of_reports,) = uids(replace(answer, content="02" * 32)) & first
    assert series_of_reports == make_objects(case_of(series, answer, DEVICE))[REPORT].SeriesInstanceUID
    assert not uids(answer, replace(DEVICE, weights="ff" * 32)) & first
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in first)
