"""The answer as a structured report: TID 1500 of DICOM PS3.16, with the algorithm as TID 4019."""

from collections.abc import Iterator, Sequence
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ComprehensiveSRStorage

from ichmonai import __version__
from ichmonai.classes import LOCATIONS
from ichmonai.dicom_results.case import Case, number
from ichmonai.dicom_results.codes import (
    ABSENT,
    FINDING,
    HAEMORRHAGE,
    KIND_CODES,
    MILLILITRE,
    PRESENCE,
    PRESENT,
    SITES,
    UNDETERMINED,
    Place,
)
from ichmonai.dicom_results.device import MANUFACTURER
from ichmonai.notice import NOTICE
from ichmonai.prediction.rows import CLASSIFIED, kinds_of
from ichmonai.study_rule import RULE

SERIES_NUMBER = 7101
KIND_THRESHOLD = 0.5


def make_report(case: Case) -> ComprehensiveSR:
    """Make the structured report of an answer: preliminary, and not verified by anyone.

    The study, its sites and kinds, and every slice that was classified are a measurement group each.

    Args:
        case: the answer.
    """
    device = case.device
    observer = DeviceObserverIdentifyingAttributes(
        uid=device.uid("device"), name="ichmonai", manufacturer_name=MANUFACTURER, model_name="ichmonai"
    )
    report = MeasurementReport(
        ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, observer)),
        codes.LN.CTUnspecifiedBodyRegion,
        [_study(case), *_sites(case), *_kinds(case), *_slices(case)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    for text in _comments(case):
        report[0].ContentSequence.append(TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS))
    report[0].ContentSequence.extend(_words(case))
    headers = {one.header.SOPInstanceUID: one.header for one in case.slices}
    return ComprehensiveSR(
        list(headers.values()),
        report,
        case.series_uid("report series"),
        SERIES_NUMBER,
        report_uid(case),
        len(case.replaces) + 1,
        is_complete=True,
        performed_procedure_codes=[
            CodedConcept.from_dataset(one) for one in case.slices[0].header.get("ProcedureCodeSequence") or ()
        ],
        previous_versions=[_replaced(case, *one) for one in case.replaces] or None,
        series_description="ichmonai findings, not for clinical use",
        specific_character_set="ISO_IR 192",
        **device.equipment,
    )


def report_uid(case: Case) -> str:
    """SOPInstanceUID of the report of an answer."""
    return case.uid("report")


def _replaced(case: Case, sop: str, series: str) -> Dataset:
    """What names an earlier report in the Predecessor Documents Sequence (PS3.3 C.17.2.2)."""
    named = Dataset()
    named.SOPClassUID, named.SOPInstanceUID = ComprehensiveSRStorage, sop
    named.StudyInstanceUID, named.SeriesInstanceUID = case.slices[0].header.StudyInstanceUID, series
    return named


def _comments(case: Case) -> list[str]:
    said = [
        NOTICE,
        f"Probability of the study: {RULE}. Of a site: that of the site if there is a haemorrhage.",
    ]
    if case.replaces:
        said.append(f"This report replaces the {len(case.replaces)} before it in this series.")
    if (low := number(case.study.get("volume_low_ml"))) is not None:
        high = number(case.study.get("volume_high_ml"))
        said.append(f"Volumes are of the mask that the network draws; all blood is between {low} and {high} mL.")
    return said


def _words(case: Case) -> Iterator[TextContentItem]:
    """The draft in words, each sentence with the values that it was made of."""
    for name, sentences in ((codes.DCM.Finding, case.draft.findings), (codes.DCM.Impression, case.draft.impression)):
        for one in sentences:
            item = TextContentItem(name, one.text, RelationshipTypeValues.CONTAINS)
            if one.sources:
                source = TextContentItem(codes.DCM.Comment, one.traced, RelationshipTypeValues.INFERRED_FROM)
                item.ContentSequence = ContentSequence([source])
            yield item


def _study(case: Case) -> MeasurementsAndQualitativeEvaluations:
    return _group(
        case,
        "study",
        FINDING,
        case.study.get("p_ich"),
        presence={"positive": PRESENT, "negative": ABSENT}.get(case.study["outcome"], UNDETERMINED),
        place=SITES.get(case.study.get("location", "")),
        volume=case.study.get("volume_ml"),
        images=case.keys,
    )


def _sites(case: Case) -> list[MeasurementsAndQualitativeEvaluations]:
    shown = LOCATIONS if case.study.get("location") else ()
    return [_group(case, f"site {one}", HAEMORRHAGE, case.study.get(f"p_{one}"), place=SITES[one]) for one in shown]


def _kinds(case: Case) -> list[MeasurementsAndQualitativeEvaluations]:
    return [
        _group(
            case,
            f"kind {kind}",
            KIND_CODES[kind].finding,
            p,
            presence=PRESENT if p > KIND_THRESHOLD else ABSENT,
            place=KIND_CODES[kind].place,
            volume=case.study.get(f"volume_{kind}_ml"),
        )
        for kind, p in kinds_of(case.study).items()
    ]


def _slices(case: Case) -> list[MeasurementsAndQualitativeEvaluations]:
    groups = []
    for i, row in enumerate(case.rows):
        p = number(row.get("p_ich"))
        if row["state"] == CLASSIFIED:
            presence = UNDETERMINED if p is None else PRESENT if p > case.device.threshold else ABSENT
            area = row.get("area_mm2")
            groups.append(_group(case, f"slice {i + 1}", FINDING, p, presence=presence, area=area, images=[i]))
    return groups


def _group(
    case: Case,
    what: str,
    finding: Code,
    probability: Any,
    presence: Code | None = None,
    place: Place | None = None,
    volume: Any = None,
    area: Any = None,
    images: Sequence[int] = (),
) -> MeasurementsAndQualitativeEvaluations:
    """A measurement group, TID 1501."""
    said = (
        (codes.DCM.Probability, number(probability), codes.UCUM.NoUnits),
        (codes.SCT.Volume, number(volume), MILLILITRE),
        (codes.SCT.Area, number(area), codes.UCUM.SquareMillimeter),
    )
    measurements = [Measurement(name, value, unit) for name, value, unit in said if value is not None]
    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(case.uid(what), f"ichmonai {what}"),
        finding_type=finding,
        algorithm_id=AlgorithmIdentification(
            "ichmonai",
            __version__,
            case.device.parameters if what == "study" else None,
            family=codes.DCM.ArtificialIntelligence,
            manufacturer=MANUFACTURER,
        ),
        finding_sites=[FindingSite(place.structure, topographical_modifier=place.modifier)] if place else None,
        measurements=measurements or None,
        qualitative_evaluations=[QualitativeEvaluation(PRESENCE, presence)] if presence else None,
        source_images=[SourceImageForMeasurementGroup(**case.slices[i].reference) for i in images] or None,
    )
