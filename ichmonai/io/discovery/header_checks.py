"""What the headers of a series say against it, or should be known with its answer: one function for each code."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence

from ichmonai.io.discovery.header_codes import AGENT
from ichmonai.io.discovery.header_words import NOT_HU, is_scout
from ichmonai.io.discovery.headers import ImageHeader, Kind
from ichmonai.io.discovery.slice_geometry import (
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
from ichmonai.io.findings import Code, Finding, HeadCTReadError

MIN_SLICES = 10
"""A brain is about 130 mm high, and no head protocol has slices thicker than 10 mm: with fewer, most is not shown."""
MIN_COVERAGE = 80.0
"""Extent in mm along the slices' normal; a newborn's brain is about as high."""
MAX_OBLIQUITY = 35.0
"""Degrees between the slices' normal and the patient's axis: gantries tilt up to 30, and heads lie a little askew."""
MIN_TILT = 1.0
"""Degrees from which on a gantry tilt is told."""
MAX_SHEAR = 45.0
"""Degrees between the slices' normal and the line that they are stacked along; no gantry tilts so far."""
PIXEL_SPACING = (0.1, 3.0)
"""Plausible PixelSpacing of a head CT, in mm: 0.4 to 1 is usual."""
SLICE_DISTANCE = (0.1, 25.0)
"""Plausible median distance of slices, in mm."""
FIELD_OF_VIEW = (100.0, 800.0)
"""Plausible extent of a slice, in mm: an infant's head, and the widest bore."""
MAX_COVERAGE = 2500.0
"""Plausible extent along the patient in mm: no table moves farther."""
MIN_SIDE = 64
"""Rows and columns of a slice image; with fewer, no bleeding can be seen."""
MAX_SIDE = 2048
"""Rows or columns of a slice; the largest CT matrix in use has 1024, or 2048 with photon counting."""
MAX_VOXELS = 2**29
"""Voxels of a series: 2 GiB as float32, or 2048 slices of 512 x 512."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Root of the Secondary Capture SOP classes (PS3.4 B.5)."""
CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
"""CT Image Storage and Enhanced CT Image Storage."""
_RESLICED = ("AXIAL", "REFORMATTED", "MPR", "AVERAGE", "RESAMPLED", "ADDITION")


def check_headers(slices: Slices) -> list[Finding]:
    """Everything that the headers of one series show, the gravest first.

    Args:
        slices: headers of the images of one series, in order along their normal; or the one of a volume or picture.

    Returns:
        At most one finding for each code.
    """
    own = {finding.code: finding for one in slices for finding in reversed(one.findings)}
    for code, check in _CHECKS.items():
        if code not in own and (sentence := check(slices)):
            own[code] = Finding(code, sentence)
    order = list(_CHECKS)
    return sorted(own.values(), key=lambda finding: order.index(finding.code) if finding.code in order else -1)


def check_size(name: str, rows: int, columns: int, slices: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated.

    Args:
        name: of what it is, for the sentence.
        rows: said by the header, as the next two.
        columns: of a slice.
        slices: in all.

    Raises:
        HeadCTReadError: `TOO_LARGE`.
    """
    if max(rows, columns) > MAX_SIDE or max(rows * columns, 1) * slices > MAX_VOXELS:
        raise HeadCTReadError(f"{name} has {_too_many(rows, columns, slices)}", Code.TOO_LARGE)


def is_localizer(header: ImageHeader) -> bool:
    """Whether ImageType says so (PS3.3 C.8.2.1.1.1)."""
    return any(is_scout(value) for value in header.image_type)


def is_derived(header: ImageHeader) -> bool:
    """Whether the image was computed from others, or captured."""
    return bool({"DERIVED", "SECONDARY"} & {value.upper() for value in header.image_type[:2]})


def head_evidence(slices: Slices) -> str:
    """The part of the body that the headers name: "head", another one, or nothing."""
    return slices[0].body_part


def _wrong_modality(slices: Slices) -> str:
    first = slices[0]
    modality = first.modality or ("CT" if first.sop_class_uid in CT_IMAGES else "missing")
    if first.kind is not Kind.DICOM or modality == "CT":
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
        if min(first.rows, first.columns) >= MIN_SIDE:
            return ""
        return f"{name} has {first.rows} x {first.columns} pixels, fewer than {MIN_SIDE} a side; give the whole slice."
    if not (first.spacing and first.position and first.orientation):
        missing = [
            keyword
            for keyword, value in zip(
                ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
                (first.position, first.orientation, first.spacing),
                strict=True,
            )
            if value is None
        ]
        return f"{name} has an image without {' and '.join(missing)}; export it again with its geometry."
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
    first = slices[0]
    count = slice_count(slices)
    if max(first.rows, first.columns) <= MAX_SIDE and first.rows * first.columns * count <= MAX_VOXELS:
        return ""
    return f"{_name(slices)} has {_too_many(first.rows, first.columns, count)}"


def _too_few_slices(slices: Slices) -> str:
    if slices[0].kind is Kind.PICTURE:
        return ""
    count, extent = slice_count(slices), coverage(slices)
    if count < MIN_SLICES:
        return f"{_name(slices)} has {_plural(count)}, fewer than {MIN_SLICES}; give the whole head."
    if slices[0].is_placed and extent < MIN_COVERAGE:
        return f"{_name(slices)} covers {extent:.0f} mm, less than {MIN_COVERAGE:.0f} mm; give the whole head."
    return ""


def _missing_slices(slices: Slices) -> str:
    missing = gaps(slices)
    if not missing:
        return ""
    between = ", ".join(f"{index + 1} and {index + 2}" for index, _ in missing[:5])
    return (
        f"{_name(slices)} lacks {_plural(sum(count for _, count in missing))}, between slices {between} counted from "
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
}


def _name(slices: Slices) -> str:
    first = slices[0]
    return f"Series {first.series}" if first.kind is Kind.DICOM else str(first.source)


def _too_many(rows: int, columns: int, slices: int) -> str:
    return (
        f"{_plural(slices)} of {_count(rows)} x {_count(columns)} pixels; at most {MAX_SIDE} a side and {MAX_VOXELS} "
        "in all are read, so give a smaller reconstruction."
    )


def _count(number: int) -> str:
    return str(number) if number < 10**12 else "more than 10^12"  # a header may have thousands of digits


def _plural(count: int) -> str:
    return "1 slice" if count == 1 else f"{_count(count)} slices"


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _list(values: Sequence[float], separator: str = " x ") -> str:
    return separator.join(f"{value:.4g}" for value in values)


def _obliquity(header: ImageHeader) -> float:
    return angle(normal(header.orientation or (1, 0, 0, 0, 1, 0)), (0.0, 0.0, 1.0))
