"""What is kept of the free text of headers: words of closed lists.

People type names of patients wherever a scanner's console lets them: into descriptions, protocols, even into the name
of a contrast medium. What has to be known of an image is kept as a word of the lists here, and nothing of a text as it
stands.
Scanner and kernel are equipment and help to tell series apart in a listing, so their known words are kept.
"""

import functools
import re
from typing import Any

from ichmonai.io.formats.dicom.words import (
    NOT_HU,
    contrast_word,
    is_agent,
    is_scout,
    kernel_sharpness,
    part_of_body,
)

AGENT = "ContrastBolusAgent"
"""What `codes_of` says of contrast where the header names an agent."""
OTHER = "OTHER"
"""Something that is not in the list."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MODALITIES = _set(
    "CT MR US NM PT PET CR DX DR XA RF MG IO PX OT SC SR PR KO SEG REG DOC RTIMAGE RTSTRUCT RTDOSE RTPLAN "
    "RTRECORD ECG EEG EPS HD ES GM SM XC OP OPT OCT AU TG LS FID PLAN RWV SMR TEXTUREMAP BI BMD IVUS VA EC CD DD "
    "DF DM DS FA FS LP MA MS ST CF CP CS AS VF AR KER LEN OAM OPM OPV OSS POS M3D ANN STAIN HC VIDD XAPROTOCOL"
)
_PHOTOMETRIC = _set(
    "MONOCHROME1 MONOCHROME2 RGB HSV ARGB CMYK YBR_FULL YBR_FULL_422 YBR_PARTIAL_422 "
    "YBR_PARTIAL_420 YBR_ICT YBR_RCT XYB"
) | {"PALETTE COLOR"}
_TYPES = _set(
    # PS3.3 C.7.6.1.1.2, C.8.2.1.1.1, C.8.15.2.1.1; then Siemens', GE's, Philips' and Canon's own.
    "ORIGINAL DERIVED MIXED PRIMARY SECONDARY AXIAL LOCALIZER REFORMATTED MPR AVERAGE RESAMPLED ADDITION "
    "SUBTRACTION VOLUME HELIX NONE MIP MINIP MAX MIN MAXIMUM MINIMUM MEAN VRT VR VRR VOLREN RENDERING 3D SSD PERF "
    "PERFUSION CBF CBV RCBF RCBV MTT TTP TTD TMAX BONE REMOVED SCREEN SAVE MONO MATERIAL VNC ZEFF Z EFF RHO FUSED "
    "FUSION IODINE RGB COLOR COLOUR CINE PROJECTION PROJ CT SOM4 SOM5 SOM7 SOM8 CSA SPI SEQ DUAL SYNGO THIN THICK "
    "FILTERED STATIC DYNAMIC ATTENUATION MULTIPLICATION DIVISION QUANTITY REFORMAT PARALLEL RANGE CURVED COR SAG "
    "TRA CORONAL SAGITTAL OBLIQUE"
)
_MAKERS = {
    name: re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.IGNORECASE)
    for name, pattern in {
        "Siemens": "siemens",
        "GE": "ge|general electric",
        "Philips": "philips",
        "Toshiba": "toshiba",
        "Canon": "canon",
        "Hitachi": "hitachi",
        "Fujifilm": "fujifilm",
        "Neusoft": "neusoft",
        "United Imaging": "uih|united imaging",
        "Samsung": "samsung",
        "NeuroLogica": "neurologica",
        "Picker": "picker international",
        "Marconi": "marconi medical",
        "Elscint": "elscint",
        "Shimadzu": "shimadzu",
        "Imatron": "imatron",
        "MinFound": "minfound",
        "Planmed": "planmed",
        "ichmonai": "ichmonai",
    }.items()
}
_MODEL_WORDS = _set(
    "SOMATOM SENSATION DEFINITION EMOTION FLASH EDGE FORCE DRIVE CONFIDENCE PERSPECTIVE SCOPE SPIRIT VOLUME ZOOM "
    "BALANCE PLUS NAEOTOM ALPHA OPEN BIOGRAPH LIGHTSPEED VCT ULTRA HISPEED BRIGHTSPEED QX ADVANTAGE OPTIMA "
    "DISCOVERY REVOLUTION FRONTIER APEX EVO MAXIMA HD CT ICT IQON BRILLIANCE INGENUITY INCISIVE ACCESS MX8000 BIG "
    "BORE GEMINI AQUILION ONE PRIME GENESIS EDITION VISION LIGHTNING ASTEION XVISION ACTIVION SUPRIA SCENARIA "
    "ECLOS PRONTO NEUVIZ UCT BODYTOM CERETOM OMNITOM ELITE DUAL AS GO UP NOW ALL TOP SPECT PET RT XT SE"
)
_MODEL_NUMBER = re.compile(r"[A-Z]{0,2}\d{1,3}[A-Z]{0,2}")
_KERNEL_WORDS = _set(
    "STANDARD STND STD SOFT BONE BONEPLUS DETAIL EDGE LUNG CHST CHEST BRAIN HEAD BODY ULTRA SHARP SMOOTH MEDIUM "
    "NEURO ULTRASHARP EXTRASHARP A B C D E F L UA UB UC UD YA YB YC YD YE YF EA EB EC IA IB"
)
_KERNEL_NUMBER = re.compile(r"(?:[A-Z]{1,2}|FC|H[CRV])\d{2}[A-Z]?|\d")


@functools.lru_cache(maxsize=1024)  # the images of a series say the same
def codes_of(
    series_description: str = "",
    body_part: str = "",
    protocol: str = "",
    study_description: str = "",
    contrast_agent: str = "",
    kernel: str = "",
) -> dict[str, Any]:
    """What the free text of a header says, in the fields of an `ImageHeader`.

    Args:
        series_description: SeriesDescription.
        body_part: BodyPartExamined.
        protocol: ProtocolName.
        study_description: StudyDescription.
        contrast_agent: ContrastBolusAgent.
        kernel: ConvolutionKernel.

    Returns:
        `is_scout`, `contrast`, `body_part` (of the texts, the nearest to the series that names a part decides),
        `kernel` and `sharpness`.
    """
    texts = (series_description, body_part, protocol, study_description)
    return {
        "is_scout": is_scout(series_description),
        "contrast": AGENT if is_agent(contrast_agent) else contrast_word(series_description),
        "body_part": next(filter(None, map(part_of_body, texts)), ""),
        "kernel": kernel_code(kernel),
        "sharpness": kernel_sharpness(kernel, series_description),
    }


def modality_code(text: str) -> str:
    """A Modality of the standard's list (PS3.3 C.7.3.1.1.1), `OTHER` for another one, nothing for none."""
    return _listed(text, _MODALITIES)


def photometric_code(text: str) -> str:
    """A PhotometricInterpretation of the standard's list (PS3.3 C.7.6.3.1.2), `OTHER` for another one."""
    return _listed(text, _PHOTOMETRIC)


@functools.lru_cache(maxsize=1024)
def image_type_code(value: str) -> str:
    """The known words of one value of ImageType, `OTHER` for each run of others.

    Example:
        >>> image_type_code("CT_SOM5 SPI"), image_type_code("MIP DOE^JANE")
        ('CT SOM5 SPI', 'MIP OTHER')
    """
    if is_scout(value):
        return "LOCALIZER"
    words: list[str] = []
    for word in re.split(r"[^A-Z0-9]+", value.upper()):
        if word and (known := word if word in _TYPES else OTHER) != (words or [""])[-1]:
            words.append(known)
    if NOT_HU.search(value) and not NOT_HU.search(" ".join(words)):
        words.append("NOT HU")
    return " ".join(words)


def maker_code(text: str) -> str:
    """The maker of a scanner, or nothing where it is not in the list."""
    return next((name for name, pattern in _MAKERS.items() if pattern.search(text)), "")


def model_code(text: str) -> str:
    """The known words of a ManufacturerModelName, and numbers of up to three digits.

    Example:
        >>> model_code("SOMATOM Definition AS+"), model_code("JANE DOE 19500101")
        ('SOMATOM Definition AS', '')
    """
    words = re.findall(r"[A-Za-z0-9]+", text)
    known = [word for word in words if word.upper() in _MODEL_WORDS]
    return " ".join(w for w in words if w in known or _MODEL_NUMBER.fullmatch(w.upper())) if known else ""


def kernel_code(text: str) -> str:
    """The known words of a ConvolutionKernel, and names made as makers make them.

    Example:
        >>> kernel_code("J40s 3"), kernel_code("STD+"), kernel_code("JANE")
        ('J40s 3', 'STD', '')
    """
    words = re.findall(r"[A-Za-z0-9]+", text)
    return " ".join(w for w in words if w.upper() in _KERNEL_WORDS or _KERNEL_NUMBER.fullmatch(w.upper()))


def _listed(text: str, known: frozenset[str]) -> str:
    text = text.upper()
    return text if text in known else OTHER if text else ""
