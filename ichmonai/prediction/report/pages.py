"""Pages of a report: the worklist, and one a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ichmonai import __version__
from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.io.findings import IN_WORDS, Code, in_words
from ichmonai.notice import NOTICE
from ichmonai.prediction.identify import IDENTITY_COLUMNS
from ichmonai.prediction.report.curve import curve
from ichmonai.prediction.report.drawing import CELL, COLOURS, COLUMNS, LEADING, MARKED, SEEN, SMALL, STRIP
from ichmonai.prediction.report.words import Draft
from ichmonai.prediction.rows import kinds_of, probability_of, volume_of

FOLDER = "report"
"""Where the pages of studies and the pictures are, beside the worklist."""


@dataclass(frozen=True)
class Page:
    """A study in a report.

    Attributes:
        number: of its row in the table of studies, from 1.
        stem: what its files are called.
        row: of the table of studies.
        identified: whether path and patient may be shown.
    """

    number: int
    stem: str
    row: Mapping[str, Any]
    identified: bool

    @property
    def file(self) -> str:
        """Its page in the folder of pages."""
        return f"{self.stem}.html"

    @property
    def answered(self) -> bool:
        """Whether there is something to show."""
        return all(self.row.get(name, "") != "" for name in ("slices", "brain_slices", "leading_slice"))

    @property
    def outcome(self) -> str:
        """The answer in words."""
        return str(self.row.get("outcome", "no_prediction")).replace("_", " ")

    @property
    def probability(self) -> str:
        """Of a haemorrhage."""
        return probability_of(self.row.get("p_ich"))

    @property
    def locations(self) -> dict[str, str]:
        """Probability of each location of a haemorrhage, where one is found."""
        found = self.row.get("location")
        return {name: probability_of(self.row.get(f"p_{name}")) for name in LOCATIONS} if found else {}

    @property
    def kinds(self) -> dict[str, str]:
        """Probability of each kind of haemorrhage, where one is found and the network says kinds."""
        known = kinds_of(self.row) if self.row.get("location") else {}
        return {kind: probability_of(p) for kind, p in known.items()}

    @property
    def likely_kinds(self) -> list[str]:
        """The kinds that it is said to show."""
        return [kind for kind in str(self.row.get("kinds") or "").split(";") if kind]

    @property
    def volume(self) -> str:
        """Of the blood that is marked, where a haemorrhage is found and the network makes masks."""
        return volume_of(self.row) if self.row.get("location") else ""

    @property
    def volumes(self) -> dict[str, float]:
        """The same of each kind that is marked, in mL."""
        said = {kind: float(self.row.get(f"volume_{kind}_ml") or 0) for kind in KINDS} if self.volume else {}
        return {kind: value for kind, value in said.items() if value >= 0.05}

    @property
    def warnings(self) -> list[str]:
        """What was found about the images, in words."""
        return in_words(str(self.row.get("flags") or ""))

    @property
    def identity(self) -> dict[str, str]:
        """What names the study, where that was asked for."""
        if not self.identified:
            return {}
        said = {"path": self.row.get("path", ""), **{name: self.row.get(name, "") for name in IDENTITY_COLUMNS}}
        return {name.replace("_", " "): str(value) for name, value in said.items() if value}

    def picture(self, name: str, folder: Path) -> str:
        """The file of a picture in the folder of pages; empty where an earlier run made none."""
        file = f"{self.stem}-{name}"
        return file if (folder / file).is_file() else ""


def index_page(
    pages: Sequence[Page], refused: Sequence[Mapping[str, Any]], folder: Path, facts: Mapping[str, Any]
) -> str:
    """The worklist.

    Args:
        pages: studies in the order of the worklist.
        refused: rows of the table of rejections.
        folder: of the pictures.
        facts: what decides the results, as the journal has it.

    Returns:
        HTML that shows pictures below `FOLDER`, with everything escaped.
    """
    counts: dict[str, int] = {}
    for row in refused:
        counts[row["code"]] = counts.get(row["code"], 0) + 1
    refusals = [(IN_WORDS[Code(code)], code, count) for code, count in sorted(counts.items())]
    small = {page.stem: page.picture(SMALL, folder) for page in pages}
    outcomes = {name: sum(page.outcome == name for page in pages) for name in ("positive", "no prediction", "negative")}
    return _template("index.html.j2").render(
        pages=pages,
        small=small,
        refusals=refusals,
        refused=refused if pages and pages[0].identified else [],
        outcomes=outcomes,
        kinds=any(page.kinds for page in pages),
        volumes=any(page.volume for page in pages),
        base=f"{FOLDER}/",
        **_common(facts),
    )


def study_page(
    page: Page,
    slices: Sequence[Mapping[str, Any]],
    folder: Path,
    facts: Mapping[str, Any],
    draft: Draft,
    before: Page | None = None,
    after: Page | None = None,
) -> str:
    """The page of a study with an answer.

    Args:
        page: the study.
        slices: its rows of the table of slices.
        folder: of the pictures.
        facts: as `index_page` has it.
        draft: of its report in words.
        before: the study above it in the worklist.
        after: the study below it.

    Returns:
        HTML that shows pictures beside it, with everything escaped.
    """
    leading = int(page.row["leading_slice"])
    return _template("study.html.j2").render(
        page=page,
        draft=draft,
        before=before,
        after=after,
        leading=leading,
        pictures={name: page.picture(file, folder) for name, file in _PICTURES.items()},
        cells=[_cell(row) for row in slices],
        cell=CELL,
        columns=min(COLUMNS, len(slices)),
        rows=-(-len(slices) // COLUMNS),
        curve=curve(slices, leading, float(facts["threshold"])),
        marked={kind: COLOURS[kind] for kind in KINDS if float(slices[leading].get(f"area_{kind}_mm2") or 0) > 0},
        **_common(facts),
    )


_PICTURES = {"leading": LEADING, "marked": MARKED, "seen": SEEN, "strip": STRIP}


def _cell(row: Mapping[str, Any]) -> dict[str, Any]:
    number = int(row["slice"])
    return {
        "number": number,
        "x": number % COLUMNS * CELL,
        "y": number // COLUMNS * CELL,
        "p": probability_of(row.get("p_ich")),
    }


def _common(facts: Mapping[str, Any]) -> dict[str, Any]:
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return {"style": style, "notice": NOTICE, "version": __version__, "facts": facts}


def _template(name: str) -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name)
