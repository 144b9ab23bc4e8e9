"""What the headers of a series say against it, or should be known with its answer: one function for each code."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence

from ichmonai.io.findings import Code, Finding
from ichmonai.io.formats.dicom.codes import AGENT
from ichmonai.io.formats.dicom.headers import CT_IMAGES, modality_of
from ichmonai.io.formats.dicom.words import NOT_HU
from ichmonai.io.grouping import is_localizer
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.limits import (
    FIELD_OF_VIEW,
    MAX_COVERAGE,
    MAX_OBLIQUITY,
    MAX_SHEAR,
    MIN_COVERAGE,
    MIN_SIDE,
    MIN_SLICES,
    MIN_TILT,
    PIXEL_SPACING,
    SLICE_DISTANCE,
    plural,
    too_large,
)
from ichmonai.io.slice_geometry import (
    Slices,
    angle,
    coverage,
    distances,
    gaps,
    normal,
    shear,
    slice_count,
    slice_distance,
)

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Root of the Secondary Capture SOP classes (PS3.4 B.5)."""
_RESLICED = ("AXIAL", "REFORMATTED", "MPR", "AVERAGE", "RESAMPLED", "ADDITION")


def check_headers(slices: Slices) -> list[Finding]:
    """Everything that the headers of one series show, the gravest first.

    Args:
        slices: headers of the images of one series, in order along their normal; the one of a volume or
            picture, or the pictures of a folder that is one study.

    Returns:
        At most one finding for each code.
    """
    own = {finding.code: finding for one in slices for finding in reversed(one.findings)}
    for code, check in _CHECKS.items():
        if code not in own and (sentence := check(slices)):
            own[code] = Finding(code, sentence)
    order = list(_CHECKS)
    return sorted(own.values(), key=lambda finding: order.index(finding.code) if finding.code in order else -1)


def is_derived(header: ImageHeader) -> bool:
    """Whether the image was computed from others, or captured."""
    return bool({"DERIVED", "SECONDARY"} & {value.upper() for value in header.image_type[:2]})


def head_evidence(slices: Slices) -> str:
    """The part of the body that the headers name: "head", another one, or nothing."""
    return slices[0].body_part


def _wrong_modality(slices: Slices) -> str:
    if slices[0].kind is not Kind.DICOM or (modality := modality_of(slices[0])) == "CT":
        return ""
    return f"{_name(slices)} has Modality {modality}; give a CT series."


def _unreadable(slices: Slices) -> str:
    if all(one.rows > 0 and one.columns > 0 for one in slices):
        return ""
    return f"{_name(slices)} has images without Rows and Columns; copy it again."


def _localizer(slices: Slices) -> str:
    few = slice_count(slices) <= 3 and slices[0].kind is Kind.DICOM
    named = slices[0].is_scout
    if is_localizer(slices[0]) or (few and (named or (slices[0].is_placed and _obliquity(slices[0]) > MAX_OBLIQUITY))):
        return f"{_name(slices)} is a localizer; give an axial series."
    return ""


def _derived(slices: Slices) -> str:
    """Reformats and averages are HU still; projections, maps, renderings and captures are not."""
    first = slices[0]
    if first.sop_class_uid.startswith(SECONDARY_CAPTURE) and first.sop_class_uid not in CT_IMAGES:
        return f"{_name(slices)} is a secondary capture; give the series that it was made from."
    values = [value.upper() for value in first.image_type]
    if not is_derived(first):
        return ""
    if not any(map(NOT_HU.search, values)) and any(value in _RESLICED for value in values[2:]):
        return ""
    kind = "\\".join(values)
    return (
        f"{_name(slices)} is derived (ImageType {kind}); give the original series, or accept it if its values are HU."
    )


def _contrast(slices: Slices) -> str:
    if any(one.contrast == AGENT for one in slices):
        return f"{_name(slices)} has a {AGENT}; give a series without contrast medium."
    if word := slices[0].contrast:
        return f"{_name(slices)} has {word!r} in its description; give a series without contrast medium."
    return ""


def _burned_in(slices: Slices) -> str:
    first = slices[0]
    if any(one.burned_in for one in slices):
        return f"{_name(slices)} has BurnedInAnnotation YES; give the original images."
    if first.kind is Kind.DICOM and first.photometric and not first.photometric.upper().startswith("MONOCHROME"):
        return f"{_name(slices)} is in colour ({first.photometric}); give the original images."
    return ""


def _bad_geometry(slices: Slices) -> str:
    first, name = slices[0], _name(slices)
    if not first.rows:
        return ""
    if first.kind is Kind.PICTURE:
        sizes = sorted({(one.rows, one.columns) for one in slices})
        if len(sizes) > 1:
            (a, b), (c, d) = sizes[0], sizes[-1]
            return f"{first.series} has slices of {a} x {b} and of {c} x {d} pixels; give those of one study a folder."
        if min(first.rows, first.columns) >= MIN_SIDE:
            return ""
        return f"{name} has {first.rows} x {first.columns} pixels, fewer than {MIN_SIDE} a side; give the whole slice."
    if not (first.spacing and first.position and first.orientation):
        return f"{name} has an image without {first.missing}; export it again with its geometry."
    if not all(_within(value, PIXEL_SPACING) for value in first.spacing):
        return f"{name} has a pixel spacing of {_list(first.spacing)} mm; check its header."
    sides = (first.rows * first.spacing[0], first.columns * first.spacing[1])
    if not all(_within(side, FIELD_OF_VIEW) for side in sides):
        return f"{name} shows {sides[0]:.0f} x {sides[1]:.0f} mm, which is no head; check its header."
    distance = slice_distance(slices)
    if slice_count(slices) > 1 and not _within(distance, SLICE_DISTANCE):
        return f"{name} has slices {distance:.3g} mm apart; check its header."
    if (extent := coverage(slices)) > MAX_COVERAGE:
        return f"{name} has slices over {extent / 1000:.1f} m, farther than a table moves; check its positions."
    if (sheared := shear(slices)) > MAX_SHEAR:
        return f"{name} has slices that are stacked {sheared:.0f} degrees off their normal; check its header."
    return ""


def _not_axial(slices: Slices) -> str:
    if slices[0].orientation is None or (angle := _obliquity(slices[0])) <= MAX_OBLIQUITY:
        return ""
    return (
        f"{_name(slices)} is not axial: its normal is {angle:.0f} degrees off the patient's axis; give an axial series."
    )


def _not_head(slices: Slices) -> str:
    part = head_evidence(slices)
    return f"{_name(slices)} shows {part!r} by its headers; give a head CT." if part not in ("", "head") else ""


def _too_large(slices: Slices) -> str:
    too_many = too_large(slices[0].rows, slices[0].columns, slice_count(slices))
    return f"{_name(slices)} has {too_many}" if too_many else ""


def _too_few_slices(slices: Slices) -> str:
    if slices[0].kind is Kind.PICTURE:
        return ""
    count, extent = slice_count(slices), coverage(slices)
    if count < MIN_SLICES:
        return f"{_name(slices)} has {plural(count)}, fewer than {MIN_SLICES}; give the whole head."
    if slices[0].is_placed and extent < MIN_COVERAGE:
        return f"{_name(slices)} covers {extent:.0f} mm, less than {MIN_COVERAGE:.0f} mm; give the whole head."
    return ""


def _missing_slices(slices: Slices) -> str:
    missing = gaps(slices)
    if not missing:
        return ""
    between = ", ".join(f"{index + 1} and {index + 2}" for index, _ in missing[:5])
    return (
        f"{_name(slices)} lacks {plural(sum(count for _, count in missing))}, between slices {between} counted from "
        "below; send the series again."
    )


def _varying_spacing(slices: Slices) -> str:
    missing = {index for index, _ in gaps(slices)}
    found = [value for index, value in enumerate(distances(slices)) if index not in missing]
    if len(found) < 2 or max(found) - min(found) <= max(0.1, 0.05 * statistics.median(found)):
        return ""
    values = sorted(Counter(round(value, 2) for value in found))
    shown = values if len(values) <= 5 else (values[0], values[-1])
    joined = _list(shown, "/" if len(values) <= 5 else " to ")
    return f"{_name(slices)} has slices {joined} mm apart; they are used as they are, so volumes in ml would be wrong."


def _no_spacing(slices: Slices) -> str:
    if slices[0].kind is not Kind.PICTURE or len(slices) < 2:
        return ""
    return (
        f"The pictures in {slices[0].series} are slices in the order of their names; they have no spacing, so volumes "
        "are unknown."
    )


def _gantry_tilt(slices: Slices) -> str:
    first = slices[0]
    sheared, stated = shear(slices), abs(first.gantry_tilt or 0.0)
    if first.orientation is None or max(sheared, stated) < MIN_TILT:
        return ""
    if sheared < MIN_TILT:
        return f"{_name(slices)} has GantryDetectorTilt {stated:.1f} degrees, but upright slices; check its geometry."
    return (
        f"{_name(slices)} was scanned with the gantry tilted by {sheared:.1f} degrees; its slices are used as they are."
    )


_CHECKS: dict[Code, Callable[[Slices], str]] = {
    Code.WRONG_MODALITY: _wrong_modality,
    Code.UNREADABLE: _unreadable,
    Code.LOCALIZER: _localizer,
    Code.DERIVED: _derived,
    Code.CONTRAST: _contrast,
    Code.BURNED_IN: _burned_in,
    Code.BAD_GEOMETRY: _bad_geometry,
    Code.NOT_AXIAL: _not_axial,
    Code.NOT_HEAD: _not_head,
    Code.TOO_LARGE: _too_large,
    Code.TOO_FEW_SLICES: _too_few_slices,
    Code.MISSING_SLICES: _missing_slices,
    Code.VARYING_SPACING: _varying_spacing,
    Code.GANTRY_TILT: _gantry_tilt,
    Code.NO_SPACING: _no_spacing,
}


def _name(slices: Slices) -> str:
    first = slices[0]
    return f"Series {first.series}" if first.kind is Kind.DICOM else str(first.source)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _list(values: Sequence[float], separator: str = " x ") -> str:
    return separator.join(f"{value:.4g}" for value in values)


def _obliquity(header: ImageHeader) -> float:
    return angle(normal(header.orientation or (1, 0, 0, 0, 1, 0)), (0.0, 0.0, 1.0))
