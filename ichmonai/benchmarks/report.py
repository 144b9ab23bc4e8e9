"""The table of a benchmark, for a model card."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ichmonai.benchmarks.measure import HEADS, LOG_LOSS, Measure
from ichmonai.benchmarks.published import PUBLISHED, Published
from ichmonai.evaluation.report import format_estimate
from ichmonai.notice import NOTICE
from ichmonai.private_files import write_text
from ichmonai.tables import write_csv

COLUMNS = (
    "set", "level", "head", "metric", "value", "low", "high", "cases", "positives", "patients", "threshold", "source",
)  # fmt: skip
_FACTS = ("level", "head", "metric", "cases", "positives", "patients")
_SHOWN = ("auc", "sensitivity", "specificity")
_MASK_SHOWN = ("dice", "surface_mm", "volume_error_ml")
_NAMES = {"ich": "any haemorrhage", "": "all labels"}


def write_benchmark(folder: Path, name: str, weights: str, measures: Sequence[Measure], notes: Sequence[str]) -> str:
    """Write `benchmark.csv`, a number a row with its source, and `benchmark.md`, a table for the card.

    Args:
        folder: of both.
        name: of the set.
        weights: what they are known by.
        measures: what was found.
        notes: sentences on what is missing or odd.

    Returns:
        The text of `benchmark.md`.
    """
    published = [one for one in PUBLISHED if one.set == name]
    source = f"ichmonai, weights {weights[:12]}"
    own = ({**_row(name, one), "source": source} for one in measures)
    others = ({column: getattr(one, column, "") for column in COLUMNS} for one in published)
    write_csv(folder / "benchmark.csv", COLUMNS, [*own, *others])
    page = "\n".join([*_page(name, weights, measures, published, notes), ""])
    write_text(folder / "benchmark.md", page)
    return page


def _row(name: str, one: Measure) -> dict[str, Any]:
    values = dict(zip(("value", "low", "high"), one.estimate, strict=True)) | {"threshold": one.threshold}
    numbers = {key: "" if math.isnan(value) else f"{value:.6g}" for key, value in values.items()}
    return {"set": name, **{key: getattr(one, key) for key in _FACTS}, **numbers}


def _page(
    name: str, weights: str, measures: Sequence[Measure], published: Sequence[Published], notes: Sequence[str]
) -> Iterator[str]:
    sources = list(dict.fromkeys(one.source for one in published))

    def cite(*of: Published) -> str:
        return ", ".join(f"{one.value:g} [{sources.index(one.source) + 1}]" for one in of)

    by_place = {(one.level, one.head, one.metric): one for one in measures}
    yield f"## {name}"
    yield ""
    yield f"{NOTICE} Weights {weights}. 95% intervals by patient."
    yield ""
    yield "| level | of | cases (with it), patients | AUC | sensitivity | specificity | threshold | published AUC |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    beside: list[Published] = []
    for level, head in ((level, head) for level in ("slice", "study") for head in HEADS):
        if (level, head, "auc") in by_place:
            one, at = by_place[level, head, "auc"], by_place[level, head, "sensitivity"].threshold
            cells = [format_estimate(by_place[level, head, metric].estimate) for metric in _SHOWN]
            of = [other for other in published if (other.level, other.head, other.metric) == (level, head, "auc")]
            beside += of
            count = f"{one.cases} ({one.positives}), {one.patients}"
            yield f"| {' | '.join((level, _NAMES.get(head, head), count, *cells, f'{at:.3g}', cite(*of)))} |"
    yield ""
    if shown := [head for head in HEADS if ("mask", head, "dice") in by_place]:
        yield "| mask of | studies (with it), patients | Dice | surface, mm | volume error, mL | published Dice |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for head in shown:
            one = by_place["mask", head, "dice"]
            cells = [format_estimate(by_place["mask", head, metric].estimate) for metric in _MASK_SHOWN]
            of = [other for other in published if (other.level, other.head, other.metric) == ("mask", head, "dice")]
            beside += of
            count = f"{one.cases} ({one.positives}), {one.patients}"
            yield f"| {' | '.join((_NAMES.get(head, head), count, *cells, cite(*of)))} |"
        yield ""
    if loss := by_place.get(("slice", "", LOG_LOSS)):
        yield f"- Weighted log loss of the six labels by slice: {format_estimate(loss.estimate)}"
    for other in published:
        if other not in beside:
            where = f"{other.level or 'level not stated'}, {_NAMES.get(other.head, other.head)}"
            yield f"- Published, {where}: {other.metric.replace('_', ' ')} {cite(other)}"
    for note in notes:
        yield f"- {note}"
    for number, source in enumerate(sources, 1):
        yield f"- [{number}] {source}"
