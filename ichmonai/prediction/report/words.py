"""A draft of the report in words: by rules from a row of the table of studies, each sentence with what it came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, NamedTuple

from ichmonai.errors import printable
from ichmonai.io.findings import Code
from ichmonai.prediction.report.templates import Templates, read_templates
from ichmonai.prediction.rows import kinds_of, probability_of
from ichmonai.tables import VOLUMES

_LEAST_ML = 0.05
"""Of a kind; below, its volume would be said to be 0.0."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of a draft.

    Attributes:
        name: of its template.
        text: what it says.
        sources: the columns of the table of studies that it was made of, and `threshold` and `negative_up_to` of
            `run.json`, with their values as they stand there.
    """

    name: str
    text: str
    sources: Mapping[str, str]

    @property
    def traced(self) -> str:
        """The sources as one text."""
        return "; ".join(f"{name} = {value}" for name, value in self.sources.items())


@dataclass(frozen=True)
class Draft:
    """A draft of a report.

    Attributes:
        findings: what was measured.
        impression: what it comes to; the last sentence says that it is a draft.
        language: of the sentences, as HTML says it.
        headings: of `findings` and `impression`.
    """

    findings: tuple[Sentence, ...]
    impression: tuple[Sentence, ...]
    language: str
    headings: Mapping[str, str]

    @property
    def columns(self) -> dict[str, str]:
        """As the table of studies has it, see `WORD_COLUMNS` of `ichmonai.prediction.rows`."""
        return {part: " ".join(one.text for one in getattr(self, part)) for part in ("findings", "impression")}


class _Value(NamedTuple):
    """What a name in a template stands for, and the columns that it came from."""

    text: str
    columns: tuple[str, ...]


def draft(
    row: Mapping[str, Any],
    threshold: float,
    negative_up_to: float | None = None,
    templates: Templates | None = None,
) -> Draft:
    """Write the draft of one study.

    Args:
        row: of the table of studies.
        threshold: probability above which a study is positive.
        negative_up_to: the probability up to which it is negative, where the answer is one of three.
        templates: the sentences; those of the package in English unless given.

    Returns:
        The sentences that the row gives cause for, made of nothing else.
    """
    templates = templates or read_templates()
    limits = {"threshold": threshold} | ({} if negative_up_to is None else {"negative_up_to": negative_up_to})
    writer = _Writer({**row, **limits}, templates)
    return Draft(tuple(writer.findings()), tuple(writer.impression()), templates.language, templates.headings)


def thresholds(facts: Mapping[str, Any]) -> tuple[float, float | None]:
    """`threshold` and `negative_up_to` of what decides the results, as the journal has it."""
    low = facts.get("negative_up_to")
    return float(facts["threshold"]), None if low is None else float(low)


class _Writer:
    def __init__(self, row: Mapping[str, Any], templates: Templates) -> None:
        self.row, self.templates = row, templates
        self.answered = all(_is_said(row.get(name)) for name in ("slices", "brain_slices", "leading_slice"))
        self.measured = self.answered and _is_said(row.get("p_ich"))
        self.positive = self.measured and row.get("outcome") == "positive"
        self.values = dict(self._values())
        self.located = self.positive and "location" in self.values

    def findings(self) -> Iterator[Sentence]:
        for name in self._found() if self.answered else ():
            yield from self._sentence("findings", name, ())

    def impression(self) -> Iterator[Sentence]:
        said = self._conclusion()
        yield from self._sentence("impression", said, ("outcome", *(() if self.answered else ("flags",))))
        if self.answered and "warnings" in self.values:
            yield from self._sentence("impression", "limits", ())
        yield from self._sentence("impression", "draft", ())

    def _found(self) -> Iterator[str]:
        yield "examined"
        yield from (name for name in ("thickness",) if name in self.values)
        if self.measured:
            yield "probability_zone" if "negative_up_to" in self.values else "probability"
            yield "leading"
        if self.located:
            yield "location"
        if self.positive:
            yield from (name for name in ("kinds",) if name in self.values)
            if "likeliest_kind" in self.values and "kinds" not in self.values:
                yield "no_kind"
            if "volume" in self.values:
                yield from (name for name in ("volume", "kind_volumes") if name in self.values)
        if "warnings" in self.values:
            yield "warnings"

    def _conclusion(self) -> str:
        if not self.answered:
            return "rejected"
        if not self.measured:
            return "no_number"
        if self.positive:
            return "positive_located" if self.located else "positive"
        if self.row.get("outcome") == "negative":
            return "negative"
        return "uncertain" if "negative_up_to" in self.values else "no_number"

    def _sentence(self, part: str, name: str, columns: tuple[str, ...]) -> Iterator[Sentence]:
        template = Template(getattr(self.templates, part)[name])
        used = [self.values[one] for one in template.get_identifiers()]
        text = template.substitute({one: self.values[one].text for one in template.get_identifiers()}).strip()
        named = dict.fromkeys([*(one for value in used for one in value.columns), *columns])
        if text:
            yield Sentence(name, text, {one: printable(str(self.row.get(one, ""))) for one in named})

    def _values(self) -> Iterator[tuple[str, _Value]]:
        """Each name that a template may have, where the row has its value."""
        row = self.row
        for name in ("slices", "brain_slices"):
            yield from self._if_said(name, (name,), lambda value: str(int(value)))
        yield from self._if_said("leading_slice", ("leading_slice",), lambda value: str(int(value) + 1))
        yield from self._if_said("probability", ("p_ich",), self._probability)
        for name in ("threshold", "negative_up_to"):
            yield from self._if_said(name, (name,), self._threshold)
        location = str(row.get("location") or "")
        if _is_said(p := row.get(f"p_{location}")):
            yield "location", _Value(self._word(self.templates.locations, location), ("location",))
            yield "location_probability", _Value(self._probability(p), (f"p_{location}",))
        yield from self._if_said("thickness", ("thickness_mm",), self._one_digit)
        yield from self._of_kinds()
        if all(_is_said(row.get(column)) for column in VOLUMES[:3]):
            for name, column in zip(("volume", "volume_low", "volume_high"), VOLUMES[:3], strict=True):
                yield name, _Value(self._one_digit(row[column]), (column,))
        codes = [code for code in str(row.get("flags") or "").split(";") if code]
        warned = [code for code in codes if code != Code.UNCERTAIN.value]  # the impression says that itself
        for name, some in (("reason", codes), ("warnings", warned)):
            if some or name == "reason":
                yield name, _Value("; ".join(self._word(self.templates.codes, one) for one in some), ("flags",))

    def _of_kinds(self) -> Iterator[tuple[str, _Value]]:
        known, words = kinds_of(self.row), self.templates.kinds
        shown = [kind for kind in str(self.row.get("kinds") or "").split(";") if kind in known]
        if shown:
            texts = [f"{self._word(words, kind)} ({self._probability(known[kind])})" for kind in shown]
            yield "kinds", _Value(", ".join(texts), ("kinds", *(f"p_{kind}" for kind in shown)))
        for kind, p in list(known.items())[:1]:
            yield "likeliest_kind", _Value(self._word(words, kind), (f"p_{kind}",))
            yield "likeliest_kind_probability", _Value(self._probability(p), (f"p_{kind}",))
        columns = {kind: f"volume_{kind}_ml" for kind in words}
        marked = {kind: one for kind, one in columns.items() if float(self.row.get(one) or 0) >= _LEAST_ML}
        if marked:
            texts = [f"{self._word(words, kind)} {self._one_digit(self.row[one])}" for kind, one in marked.items()]
            yield "kind_volumes", _Value(", ".join(texts), tuple(marked.values()))

    def _if_said(self, name: str, columns: tuple[str], text: Any) -> Iterator[tuple[str, _Value]]:
        if _is_said(value := self.row.get(columns[0])):
            yield name, _Value(text(value), columns)

    def _probability(self, value: Any) -> str:
        return probability_of(value).replace(".", self.templates.decimal)

    def _threshold(self, value: Any) -> str:
        return f"{float(value):.2f}".replace(".", self.templates.decimal)

    def _one_digit(self, value: Any) -> str:
        return f"{float(value):.1f}".replace(".", self.templates.decimal)

    def _word(self, words: Mapping[str, str], name: str) -> str:
        return words.get(name, printable(name))


def _is_said(value: Any) -> bool:
    return value not in (None, "", "nan")
