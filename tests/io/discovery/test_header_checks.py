import math
from dataclasses import replace

import pytest

from ichmonai.io import Code
from ichmonai.io.discovery.header_checks import check_headers
from ichmonai.io.findings import WARNINGS
from ichmonai.io.formats.dicom.codes import image_type_code, kernel_code, maker_code, model_code
from ichmonai.io.formats.dicom.words import contrast_word, is_agent, kernel_sharpness, part_of_body
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.limits import MAX_SIDE, MIN_SLICES
from ichmonai.io.series import ImageSource
from tests.io.dicom_factory import head_headers

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def codes(headers):
    found = check_headers(headers)
    assert all(finding.sentence.endswith(".") for finding in found)
    return [finding.code for finding in found]


def tilted(degrees):
    angle = math.radians(degrees)
    return (1.0, 0.0, 0.0, 0.0, math.cos(angle), -math.sin(angle))


def test_nothing_against_a_head_ct():
    assert check_headers(head_headers()) == []


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (Code.WRONG_MODALITY, {"modality": "MR"}),
        (Code.WRONG_MODALITY, {"modality": "", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}),
        (Code.UNREADABLE, {"rows": 0}),
        (Code.LOCALIZER, {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}),
        (Code.DERIVED, {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}),
        (Code.DERIVED, {"image_type": ("DERIVED", "SECONDARY")}),
        (Code.DERIVED, {"image_type": ("DERIVED", "SECONDARY", "AXIAL", "MIP")}),
        (Code.DERIVED, {"image_type": ("DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP_THIN")}),
        (Code.CONTRAST, {"contrast_agent": "Omnipaque 350"}),
        (Code.CONTRAST, {"series_description": "CTA HEAD"}),
        (Code.BURNED_IN, {"burned_in": True}),
        (Code.BURNED_IN, {"photometric": "RGB"}),
        (Code.BAD_GEOMETRY, {"spacing": (0.001, 0.001)}),
        (Code.BAD_GEOMETRY, {"spacing": (0.1, 0.1)}),
        (Code.BAD_GEOMETRY, {"spacing": (2.5, 2.5)}),
        (Code.BAD_GEOMETRY, {"spacing": None}),
        (Code.NOT_HEAD, {"series_description": "C-SPINE 2mm"}),
        (Code.NOT_HEAD, {"series_description": "", "body_part": "CHEST"}),
        (Code.TOO_LARGE, {"rows": MAX_SIDE + 1, "spacing": (0.2, 0.45)}),
        (Code.GANTRY_TILT, {"orientation": tilted(18.5)}),
        (Code.GANTRY_TILT, {"gantry_tilt": -20.0}),
    ],
)
def test_one_code(code, changes):
    assert codes(head_headers(**changes)) == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"modality": ""},
        {"image_type": ("DERIVED", "SECONDARY", "AXIAL")},
        {"image_type": ("DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE")},
        {"image_type": ()},
        {"contrast_agent": "NONE"},
        {"contrast_agent": "0"},
        {"body_part": "CHEST", "series_description": "HEAD 5mm"},
        {"series_description": "", "body_part": ""},
        {"spacing": (0.5, 0.45)},
        {"gantry_tilt": 0.0},
        {"burned_in": False},
    ],
)
def test_what_is_fine(changes):
    assert codes(head_headers(**changes)) == []


def test_an_oblique_head_is_axial_up_to_a_limit():
    assert Code.NOT_AXIAL not in codes(head_headers(orientation=tilted(30)))
    assert Code.NOT_AXIAL in codes(head_headers(orientation=tilted(40)))


def test_coronal_slices():
    coronal = [replace(one, position=(0.0, one.position[2], 0.0)) for one in head_headers(orientation=CORONAL)]
    assert codes(coronal) == [Code.NOT_AXIAL]


def test_slices_beside_each_other_are_no_stack():
    beside = [replace(one, position=(one.position[2], 0.0, 0.0)) for one in head_headers()]
    assert codes(beside)[0] is Code.BAD_GEOMETRY


def test_few_slices_and_little_coverage():
    assert codes(head_headers(MIN_SLICES - 1, distance=10)) == [Code.TOO_FEW_SLICES]
    assert codes(head_headers(MIN_SLICES, distance=10)) == []
    assert codes(head_headers(20, distance=1, thickness=1.0)) == [Code.TOO_FEW_SLICES]


def test_a_scout_without_an_image_type():
    scout = head_headers(1, orientation=CORONAL, image_type=("ORIGINAL", "PRIMARY"), series_description="")
    assert codes(scout)[0] is Code.LOCALIZER
    named = head_headers(2, image_type=("ORIGINAL", "PRIMARY"), series_description="Topogram 0.6")
    assert codes(named)[0] is Code.LOCALIZER
    assert Code.LOCALIZER not in codes(head_headers(series_description="HEAD after scout"))


def test_missing_slices_are_counted():
    headers = head_headers(24)
    (finding,) = check_headers([*headers[:7], *headers[9:15], *headers[16:]])
    assert finding.code is Code.MISSING_SLICES
    assert finding.code in WARNINGS
    assert "lacks 3 slices, between slices 7 and 8, 13 and 14" in finding.sentence


def test_a_thicker_upper_half_is_no_gap():
    lower = head_headers(10)
    upper = head_headers(8, distance=10, lowest=57.5, thickness=10.0)
    assert codes([*lower, *upper]) == [Code.VARYING_SPACING]
    unknown = [replace(one, thickness=None) for one in (*lower, *head_headers(8, distance=10, lowest=55))]
    assert codes(unknown) == [Code.VARYING_SPACING]


def test_jitter_is_no_variation():
    headers = head_headers(20)
    shaken = [replace(one, position=(0, 0, one.position[2] + 0.02 * (i % 2))) for i, one in enumerate(headers)]
    assert codes(shaken) == []


def test_tilt_and_spacing_are_told_in_numbers():
    sentences = " ".join(finding.sentence for finding in check_headers(head_headers(orientation=tilted(18.5))))
    assert "18.5 degrees" in sentences


def test_the_gravest_comes_first_and_each_code_once():
    found = codes(head_headers(3, modality="MR", contrast_agent="Gadovist", orientation=CORONAL))
    assert found[0] is Code.WRONG_MODALITY
    assert len(found) == len(set(found)) > 3


def test_volumes_and_pictures():
    volume = ImageHeader(
        ImageSource("a.nii"), "a.nii", "a.nii", Kind.VOLUME, rows=512, columns=512, slices=30, position=(0.0, 0.0, 0.0),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), spacing=(0.45, 0.45), slice_step=(0.0, 0.0, 5.0),
    )  # fmt: skip
    assert codes([volume]) == []
    assert codes([replace(volume, slice_step=(0.0, 1.8, 5.0))]) == [Code.GANTRY_TILT]
    assert codes([replace(volume, slices=4)]) == [Code.TOO_FEW_SLICES]
    assert codes([replace(volume, slices=3000, slice_step=(0.0, 0.0, 0.5))]) == [Code.TOO_LARGE]
    assert codes([replace(volume, slices=600)]) == [Code.BAD_GEOMETRY]  # 3 m
    assert codes([replace(volume, slice_step=(0.0, 0.0, 0.005))])[0] is Code.BAD_GEOMETRY
    picture = ImageHeader(
        ImageSource("a.png"), "a.png", "a.png", Kind.PICTURE, rows=512, columns=512, photometric="RGB"
    )
    assert codes([picture]) == []
    assert codes([replace(picture, rows=1)]) == [Code.BAD_GEOMETRY]


@pytest.mark.parametrize(
    "text",
    [
        "CTA", "CTA_HEAD 0.6", "Head Angio", "HEAD +C", "BRAIN C+ 5mm", "Head post contrast", "Perfusion 4D", "CTP",
        "HEAD W CONTRAST", "HEAD CONTRAST", "pre and post contrast", "HEAD W/WO CONTRAST", "with and without contrast",
        "Schädel mit KM", "CE HEAD post-gad", "venous phase", "Circle of Willis", "enhanced head", "头颅增强",
    ],
)  # fmt: skip
def test_contrast_words(text):
    assert contrast_word(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "HEAD without contrast", "HEAD w/o contrast", "HEAD WO CONTRAST", "HEAD W/O IV CONTRAST", "C-", "HEAD C-",
        "non contrast", "NON-CONTRAST HEAD", "noncontrast", "NCCT", "Unenhanced", "non-enhanced", "C-SPINE 2mm",
        "BRAIN+CSPINE", "HEAD + C-SPINE", "pre contrast", "Schädel nativ ohne KM", "sans injection", "CT HEAD",
        "No IV contrast", "头颅平扫", "cortical", "octave", "NECT", "without_contrast",
    ],
)  # fmt: skip
def test_words_of_plain_scans(text):
    assert not contrast_word(text)


def test_only_words_of_the_list_are_quoted():
    assert contrast_word("HEAD contrast_DOE^JANE") == contrast_word("Contrastini^Mario") == "contrast"
    assert part_of_body("abdomen_DOE") == part_of_body("Abdullah^Omar") == "abdomen"
    assert image_type_code("MONOTONI^GIULIA") == "OTHER NOT HU"
    assert [image_type_code(value) for value in ("AXIAL", "CT_SOM5 MIP_THIN", "Scanopoulos", "")] == [
        "AXIAL", "CT SOM5 MIP THIN", "LOCALIZER", "",
    ]  # fmt: skip


def test_equipment_is_kept_by_its_known_words():
    assert [maker_code(text) for text in ("GE MEDICAL SYSTEMS", "SIEMENS", "Philips Medical", "Gerald Doe")] == [
        "GE", "Siemens", "Philips", "",
    ]  # fmt: skip
    models = ("LightSpeed VCT", "Sensation 64", "Optima CT660", "Aquilion ONE", "DOE^JANE 64", "SOMATOM DOE^JANE 4711")
    assert [model_code(text) for text in models] == [*models[:4], "", "SOMATOM"]
    kernels = ("H30s", "J40s 3", "Br38f", "Hr60f", "STANDARD", "BONEPLUS", "FC21", "FC68", "UB", "B70f", "DOE JANE")
    assert [kernel_code(text) for text in kernels] == [*kernels[:-1], ""]


def test_agents():
    assert all(map(is_agent, ("Omnipaque 350", "CE", "APPLIED", "yes", "IV", "Nonionic")))
    assert not any(map(is_agent, ("", "NONE", "No contrast", "0", "-", "N", "without", "n/a")))


def test_parts_of_the_body():
    assert {part_of_body(text) for text in ("HEAD", "Brain_5mm", "HEAD/NECK", "Schädel nativ", "NCCTH", "头颅")} == {
        "head"
    }
    others = (
        "CHEST",
        "C-SPINE",
        "CSPINE",
        "neck",
        "ABD/PELVIS",
        "LUMBAR SPINE",
        "Facial bones",
        "SINUS",
        "hip",
        "KNEE",
    )
    assert all(part_of_body(text) not in ("", "head") for text in others)
    assert not any(map(part_of_body, ("", "5mm STD", "ships", "CT", "axial", "surface", "early", "NCCT")))


def test_kernels():
    soft = ("H30s", "J40s", "Br38", "STANDARD", "STD+", "SOFT", "FC21", "FC68", "UB", "BRAIN")
    sharp = ("H60s", "Hr68", "BONEPLUS", "FC30", "FC81", "YD", "LUNG", "EDGE", "B70f")
    assert [kernel_sharpness(kernel, "") for kernel in soft] == [-1] * len(soft)
    assert [kernel_sharpness(kernel, "") for kernel in sharp] == [1] * len(sharp)
    assert kernel_sharpness("", "HEAD BONE 2mm") == 1
    assert kernel_sharpness("XYZ", "HEAD 5mm") == 0
