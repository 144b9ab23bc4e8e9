"""The closed list of reasons why an input gets no answer, or an answer with a warning."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from ichmonai.errors import InputError, printable


class Code(str, Enum):
    """What can be found about an input; the value is what tables and the command line say."""

    UNREADABLE = "unreadable"
    """No image that can be opened: damaged, of another format, or gone."""
    UNSAFE_ARCHIVE = "unsafe_archive"
    """A zip archive or one of its members that is not opened: encrypted, a bomb, outside its folder, or nested."""
    EMPTY = "empty"
    """A folder or archive without any image."""
    WRONG_MODALITY = "wrong_modality"
    LOCALIZER = "localizer"
    DERIVED = "derived"
    """Derived images or secondary captures (PS3.3 C.7.6.1.1.2, C.8.6)."""
    CONTRAST = "contrast"
    """Contrast-enhanced, by the headers."""
    NOT_AXIAL = "not_axial"
    TOO_FEW_SLICES = "too_few_slices"
    MISSING_SLICES = "missing_slices"
    VARYING_SPACING = "varying_spacing"
    """Slices at different distances, as where the skull base is scanned thinner."""
    GANTRY_TILT = "gantry_tilt"
    THIN_SLICES = "thin_slices"
    """Slices thinner than those that the networks learnt from, which were averaged."""
    NO_SPACING = "no_spacing"
    """Slices of pictures, in the order of their names: neither their distances nor the size of a pixel is known."""
    DUPLICATES = "duplicates"
    """Copies of images, left out."""
    NOT_HEAD = "not_head"
    NOT_HU = "not_hu"
    """Values that are not HU: air is not near -1000."""
    INTERCEPT_CORRECTED = "intercept_corrected"
    """Stored values with a RescaleIntercept known to be wrong, which was mended."""
    BURNED_IN = "burned_in"
    """Annotations in the pixels, or colour."""
    UNDECODABLE = "undecodable"
    """Pixels that are truncated, damaged or compressed in a way that nothing installed decodes."""
    DAMAGED_PIXELS = "damaged_pixels"
    """Pixels that were decoded without complaint, but that no scanner makes: the file may be damaged. Where decoder or
    lengths say so, it is `UNDECODABLE`."""
    BAD_GEOMETRY = "bad_geometry"
    """No, zero or absurd spacing, position or orientation."""
    TOO_LARGE = "too_large"
    NO_BRAIN = "no_brain"
    """No slice shows enough brain."""
    NOT_SELECTED = "not_selected"
    """Another series of the study was taken."""
    UNCERTAIN = "uncertain"
    """Its probability lies between those up to which a study is negative and above which it is positive."""
    FAILED = "failed"
    """The work on it crashed or did not end; a fault of the software or the machine, and not of the input."""


IN_WORDS = {
    Code.UNREADABLE: "cannot be read",
    Code.UNSAFE_ARCHIVE: "archive not opened",
    Code.EMPTY: "no image",
    Code.WRONG_MODALITY: "no CT",
    Code.LOCALIZER: "localizer",
    Code.DERIVED: "derived images",
    Code.CONTRAST: "contrast agent",
    Code.NOT_AXIAL: "not axial",
    Code.TOO_FEW_SLICES: "few slices",
    Code.MISSING_SLICES: "slices are missing",
    Code.VARYING_SPACING: "slices at different distances",
    Code.GANTRY_TILT: "tilted gantry",
    Code.THIN_SLICES: "thin slices, averaged",
    Code.NO_SPACING: "no spacing known, so no volume",
    Code.DUPLICATES: "copies left out",
    Code.NOT_HEAD: "may be no head",
    Code.NOT_HU: "may be no HU",
    Code.INTERCEPT_CORRECTED: "wrong RescaleIntercept, mended",
    Code.BURNED_IN: "annotations in the image",
    Code.UNDECODABLE: "pixels cannot be decoded",
    Code.DAMAGED_PIXELS: "pixels may be damaged",
    Code.BAD_GEOMETRY: "no sound geometry",
    Code.TOO_LARGE: "too large",
    Code.NO_BRAIN: "no brain",
    Code.NOT_SELECTED: "another series was taken",
    Code.UNCERTAIN: "too uncertain to say",
    Code.FAILED: "the work on it failed",
}
"""What a reader is told of a code in a word or two, where there is no room for the sentence."""


def in_words(flags: str) -> list[str]:
    """What a reader is told of the codes that a table has in one cell, with semicolons between them."""
    known = {code.value: words for code, words in IN_WORDS.items()}
    return [known.get(code, code) for code in flags.split(";") if code]


WARNINGS = frozenset(
    {
        Code.MISSING_SLICES,
        Code.VARYING_SPACING,
        Code.GANTRY_TILT,
        Code.THIN_SLICES,
        Code.NO_SPACING,
        Code.DUPLICATES,
        Code.INTERCEPT_CORRECTED,
        Code.DAMAGED_PIXELS,
        Code.UNCERTAIN,
    }
)
"""Codes with which an input is answered all the same; every other code refuses it."""

ACCEPTABLE = frozenset(
    {
        Code.DERIVED,
        Code.CONTRAST,
        Code.TOO_FEW_SLICES,
        Code.NOT_HEAD,
        Code.NOT_HU,
        Code.BURNED_IN,
    }
)
"""Codes that refuse, but that a user can turn into warnings, since an answer can be computed."""


class Finding(NamedTuple):
    """One thing found about an input.

    Attributes:
        code: what it is.
        sentence: what, where and what to do; paths and UIDs may stand in it, names and dates of patients never.
    """

    code: Code
    sentence: str


class HeadCTReadError(InputError):
    """An input gets no answer.

    Args:
        sentence: what, where and what to do.
        code: the reason in one word.
    """

    def __init__(self, sentence: str, code: Code = Code.UNREADABLE) -> None:
        super().__init__(printable(sentence))
        self.code = code

    def __reduce__(self) -> tuple:
        """Keep the code when a worker process sends the error."""
        return type(self), (str(self), self.code)


def accepted_codes(names: Iterable[Code | str]) -> frozenset[Code]:
    """The codes that a user wants to be warned of only.

    Raises:
        InputError: when there is no such code, or no answer can be computed in spite of it.
    """
    names = list(names)
    try:
        codes = frozenset(map(Code, names))
    except ValueError:
        codes = frozenset()
    if len(codes) != len(set(names)) or codes - ACCEPTABLE - WARNINGS:
        known = ", ".join(sorted(code.value for code in ACCEPTABLE))
        raise InputError(f"{', '.join(names)} cannot be accepted; choose from {known}.")
    return codes


def refusing(findings: Iterable[Finding], accept: Iterable[Code | str] = ()) -> Finding | None:
    """The first finding that refuses an input, or None.

    Args:
        findings: of one input.
        accept: codes of `ACCEPTABLE` that count as warnings.

    Raises:
        InputError: when a code of `accept` cannot be accepted.
    """
    warnings = WARNINGS | accepted_codes(accept)
    return next((one for one in findings if one.code not in warnings), None)
