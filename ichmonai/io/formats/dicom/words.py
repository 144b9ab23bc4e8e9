"""What the free text of headers says: contrast, body part, kernel. Words count as a whole, whatever separates them."""

import re

_START, _END = r"(?<![^\W\d_])", r"(?![^\W\d_])"  # no letter before, none after: "CTA_HEAD" has the word CTA


def _words(*patterns: str) -> re.Pattern[str]:
    # Endings are of letters only, so that what a sentence quotes cannot take a name along ("contrast_DOE").
    letters = "|".join(patterns).replace(r"\w*", r"[^\W\d_]*")
    return re.compile(f"{_START}(?:{letters}){_END}", re.IGNORECASE)


_AGENT = r"(?:i\.?v\.?[\s_-]*)?(?:contrast\w*|contraste|kontrast\w*|k\.?m|injection|gad\w*|cm|c)"
_BOTH = _words(
    rf"(?:with|w)[\s_/&+-]*(?:and|&)?[\s_/&+-]*(?:without|w/?o|wo)[\s_-]*{_AGENT}",
    rf"mit[\s_-]*und[\s_-]*ohne[\s_-]*{_AGENT}",
)
_WITHOUT = _words(
    rf"(?:without|w[\s_]?/[\s_]?o|wo|sans|ohne|sin|senza|nativ\w*|no|non|pre|plain)[\s_/-]*{_AGENT}",
    r"un[\s_-]?enhanced|non[\s_-]?enhanced|unenh\w*|nec?ct|n[\s_-]?c[\s_-]?c?ct|nect|nce?",
)
_CONTRAST = {
    "CTA": _words(r"ct[av]a?|angio\w*|venogra\w*|arteriogra\w*|carotid\w*|willis|cow"),
    "perfusion": _words(r"ctpa?|perfusion\w*|perf|bolus\w*"),
    "delay": _words(r"arterial\w*|venous|ven[oö]s\w*|portal\w*|delay(?:ed)?"),
    "contrast": _words(
        r"cec?ct|contrast\w*|contraste|kontrast\w*|enhanced|inject[eé]e?|avec[\s_-]*(?:iv|injection)",
        r"post[\s_/-]*(?:i\.?v|c|ce|gad\w*|km|inj\w*)|(?:mit|nach)[\s_-]*k\.?m|c[\s_]?\+",
    ),
}
_PLUS_C = re.compile(r"\+[\s_]?(?:c|km|iv|ce)(?![\s_-]*sp|[^\W_])", re.IGNORECASE)
_CJK_WITHOUT = re.compile("非造影|造影なし|単純|平扫|非增强|非增強")
_CJK_CONTRAST = re.compile("造影|增强|增強")
_NO_AGENT = _words(r"none|no|n|nein|non|nil|without|w/?o|unknown|not[\s_]\w+|n/a|na|ohne|sans")


def contrast_word(text: str) -> str:
    """How a series description says that contrast medium was given, in a word of its own kind, or nothing.

    Example:
        >>> contrast_word("CTA_HEAD 0.6"), contrast_word("HEAD without contrast"), contrast_word("C-SPINE")
        ('CTA', '', '')
    """
    if _BOTH.search(text):
        return "contrast"
    text = _CJK_WITHOUT.sub(" ", _WITHOUT.sub(" ", text))
    if word := _kind(text, _CONTRAST):
        return word
    return "contrast" if _PLUS_C.search(text) or _CJK_CONTRAST.search(text) else ""


def is_agent(text: str) -> bool:
    """Whether ContrastBolusAgent names an agent, and not that there was none."""
    return any(map(str.isalnum, text)) and text.strip().strip("0") != "" and not _NO_AGENT.match(text)


_HEAD = _words(
    r"heads?|brain\w*|skull\w*|cereb\w*|neuro\w*|kopf|sch[aä]del\w*|hirn\w*|cr[aâ]n[ie]\w*|cerveau|cabe[zcç]a",
    r"enc[eé]fal\w*|enceph\w*|t[eê]te|testa|capo|stroke|n?cc?th|hct|cct|post(?:erior)?[\s_.-]?fossa|ich|hoofd",
)
_CJK_HEAD = re.compile("头|頭|颅|脑|脳|腦")
_OTHER_PART = {
    "chest": _words(r"chest|thora\w*|lungs?"),
    "heart": _words(r"cardi\w*|heart|coronar\w*|aort\w*"),
    "abdomen": _words(r"abd\w*|pelvi\w*|becken|liver|kidneys?|renal|urogra\w*|colon\w*"),
    "spine": _words(
        r"(?:[ctl][\s_-]?)?spines?|cspine|tspine|lspine|ct?spin|hws|bws|lws|[ctl]sp|cervical|lumbar|sacr\w*|vertebra\w*"
    ),
    "neck": _words(r"neck|hals|larynx"),
    "limb": _words(
        r"knees?|shoulder|hips?|foot|feet|hands?|wrist|elbow|ankle|femur|leg|arm|extremit\w*|tibia|humerus|bein"
    ),
    "whole body": _words(r"whole[\s_-]?body"),
    "face": _words(r"sinus(?:es)?|pns|nnh|fac(?:e|ial)\w*|orbits?|mandib\w*|maxill\w*|dental|jaw"),
    "ear": _words(r"temporal bones?|petrous|iacs?|ears?|felsenbein"),
}


def part_of_body(text: str) -> str:
    """Which part a text names: "head", also beside others; another one of a few; or nothing.

    Example:
        >>> part_of_body("HEAD/NECK"), part_of_body("C-SPINE 2mm"), part_of_body("5 mm soft")
        ('head', 'spine', '')
    """
    if _HEAD.search(text) or _CJK_HEAD.search(text):
        return "head"
    return _kind(text, _OTHER_PART)


def _kind(text: str, kinds: dict[str, re.Pattern[str]]) -> str:
    return next((kind for kind, pattern in kinds.items() if pattern.search(text)), "")


_SCOUT = _words(r"scout\w*|localizer\w*|localiser\w*|topogram\w*|surview|scano\w*|pilot|survey|scanogram")
NOT_HU = _words(
    r"mip|minip|max(?:imum|ip)?|min(?:imum)?|vr[rt]?|volren\w*|volume[\s_]rendering|3d|ssd|perf\w*|[cr]?cb[fv]|mtt|tt[pd]|tmax",
    r"subtract\w*|bone[\s_]removed|screen\w*|mono\w*|material\w*|vnc|z_?eff\w*|rho\w*|fus\w*|iodine\w*|rgb|colou?r|cine|projection",
    "not hu",  # what `image_type_code` says of others
)
"""ImageType values and words of derived images whose values are not HU of a slice: projections, maps, renderings."""


def is_scout(text: str) -> bool:
    """Whether a text names a localizer."""
    return bool(_SCOUT.search(text))


_SOFT = re.compile(
    r"^(?:h[rcv]?|br|j|hv|qr|b|bv)[123]\d|^h4[0-4]|^j4[0-5]|^fc2\d|^fc6[0-9]|^u[ab]$|^[ab]$|^st|soft|brain|standard|stnd",
    re.IGNORECASE,
)
_SHARP = re.compile(
    r"^(?:h[rcv]?|br|j|hv|qr|b|bv|bl|bh|u|ur)[6-9]\d|^fc(?:3\d|5\d|8\d)|^y[cdef]$|^[del]$|bone|edge|lung|ultra|sharp|chst",
    re.IGNORECASE,
)
_SHARP_WORDS = _words(r"bones?|knochen|osseux|os|osso|sharp|lung|bn|hueso", r"bone[\s_-]?(?:window|algo\w*|plus)")


def kernel_sharpness(kernel: str, description: str) -> int:
    """1 for a bone or lung kernel, -1 for one for the brain or soft tissue, 0 where neither is known.

    Siemens' numbers grow with sharpness (H30s, J40s, Hr60), Canon's FC2x and FC6x are for the brain and FC3x and FC8x
    for bone, Philips' UB is for the brain and YD or E for bone, GE's have names.
    """
    if _SHARP.search(kernel) or _SHARP_WORDS.search(description):
        return 1
    return -1 if _SOFT.search(kernel) else 0
