"""The sentences of a report in words: read from a toml file, and checked before any work.

`en.toml` and `de.toml` beside this are those of the package; a site's own have the same parts.
"""

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.errors import InputError, first_line, nearest
from ichmonai.io.findings import IN_WORDS

_ANSWERED = ("slices", "brain_slices", "leading_slice", "threshold")
_MEASURED = (*_ANSWERED, "probability")
_LOCATED = (*_MEASURED, "location", "location_probability")
_MARKED = (*_MEASURED, "volume", "volume_low", "volume_high")

FINDINGS: dict[str, tuple[str, ...]] = {
    "examined": _ANSWERED,
    "thickness": (*_ANSWERED, "thickness"),
    "probability": _MEASURED,
    "probability_zone": (*_MEASURED, "negative_up_to"),
    "leading": _MEASURED,
    "location": _LOCATED,
    "kinds": (*_MEASURED, "kinds"),
    "no_kind": (*_MEASURED, "likeliest_kind", "likeliest_kind_probability"),
    "volume": _MARKED,
    "kind_volumes": (*_MARKED, "kind_volumes"),
    "warnings": (*_ANSWERED, "warnings"),
}
"""Sentence -> the names that have a value wherever it is said."""
IMPRESSION: dict[str, tuple[str, ...]] = {
    "positive": _MEASURED,
    "positive_located": _LOCATED,
    "negative": _MEASURED,
    "uncertain": (*_MEASURED, "negative_up_to"),
    "no_number": _ANSWERED,
    "rejected": ("reason",),
    "limits": (*_ANSWERED, "warnings"),
    "draft": (),
}
"""The same of the impression."""

_SENTENCES = {"findings": FINDINGS, "impression": IMPRESSION}
_WORDS: dict[str, dict[str, str]] = {
    "locations": {one: one for one in LOCATIONS},
    "kinds": {one: one for one in KINDS},
    "codes": {code.value: words for code, words in IN_WORDS.items()},
}
"""What a file may translate, with the words where it does not."""
_HEADINGS = ("findings", "impression")
LANGUAGES = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.toml")))
"""Those of the package."""


@dataclass(frozen=True)
class Templates:
    """The sentences of a report.

    Attributes:
        language: of them, as HTML says it (BCP 47).
        decimal: between the whole and the rest of a number.
        headings: of `findings` and `impression`.
        findings: sentence -> its text with names to fill in; empty where it is left out.
        impression: the same.
        locations: location -> its word.
        kinds: kind -> its word.
        codes: code of a finding -> its words.
        sha256: of the file.
    """

    language: str
    decimal: str
    headings: Mapping[str, str]
    findings: Mapping[str, str]
    impression: Mapping[str, str]
    locations: Mapping[str, str]
    kinds: Mapping[str, str]
    codes: Mapping[str, str]
    sha256: str


def read_templates(name: str = "en") -> Templates:
    """Read the sentences.

    Args:
        name: one of `LANGUAGES`, or a toml file.

    Raises:
        InputError: there is no such file, or what is wrong with it.
    """
    return _own(name) if name in LANGUAGES else _read(Path(name))


@functools.cache
def _own(language: str) -> Templates:
    return _read(Path(__file__).with_name(f"{language}.toml"))


def _read(path: Path) -> Templates:
    try:
        content = path.read_bytes()
        said = tomllib.loads(content.decode("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as templates of a report ({first_line(error)}); give one of "
            f"{', '.join(LANGUAGES)}, or a toml file such as bundle/docs/words.md shows."
        ) from error
    _refuse_unknown(said, ("language", "decimal", "headings", *_SENTENCES, *_WORDS), str(path))
    texts = {name: _text(said.get(name), f"{name} of {path}") for name in ("language", "decimal")}
    headings = _part(said, "headings", _HEADINGS, path)
    sentences = {part: _part(said, part, tuple(known), path) for part, known in _SENTENCES.items()}
    for given in (headings, *sentences.values()):
        if missing := [name for name, text in given.items() if text is None]:
            raise InputError(f'{path} lacks the sentence {missing[0]}; add it, or write "" to leave it out.')
    for part, known in _SENTENCES.items():
        for name, names in known.items():
            _check(str(sentences[part][name]), names, f"{part}.{name} of {path}")
    if not str(sentences["impression"]["draft"]).strip():
        raise InputError(f"{path} leaves out impression.draft, which says that nobody read the report; write it.")
    words = {
        part: known | {name: text for name, text in _part(said, part, tuple(known), path).items() if text is not None}
        for part, known in _WORDS.items()
    }
    return Templates(**texts, headings=headings, **sentences, **words, sha256=hashlib.sha256(content).hexdigest())  # type: ignore[arg-type]


def _part(said: Mapping[str, Any], part: str, names: tuple[str, ...], path: Path) -> dict[str, str | None]:
    """The texts of a part by all names that it may have; None where it lacks one."""
    given = said.get(part, {})
    if not isinstance(given, Mapping):
        raise InputError(f"{part} of {path} is no part with names and texts; write it as [{part}].")
    _refuse_unknown(given, names, f"[{part}] of {path}")
    return {name: _text(given[name], f"{part}.{name} of {path}") if name in given else None for name in names}


def _refuse_unknown(given: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    if unknown := [name for name in given if name not in names]:
        raise InputError(f"{where} has {unknown[0]}, which is not known; {nearest(unknown[0], names)}.")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise InputError(f"{where} is no line of text; write one between quotes.")
    return value


def _check(text: str, names: tuple[str, ...], where: str) -> None:
    template = Template(text)
    if not template.is_valid():
        raise InputError(f"{where} has a dollar sign with no name behind it; write $$ for a dollar sign.")
    if unknown := [name for name in template.get_identifiers() if name not in names]:
        may = ", ".join(f"${name}" for name in names) or "none"
        raise InputError(f"{where} has ${unknown[0]}, which has no value there; it may have {may}.")
