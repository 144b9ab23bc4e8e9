"""What a prediction says on the screen: the worklist, what was refused, and where the rest lies."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ichmonai.classes import LOCATIONS
from ichmonai.io.findings import Code, in_words
from ichmonai.notice import NOTICE
from ichmonai.prediction.rows import probability_of, volume_of

if TYPE_CHECKING:
    from ichmonai.prediction.run import Summary

_GIVE_WAY = ("slice", "slices", "volume", "kind", "location")
"""Columns that are left out where the screen is narrow, the first first."""
_STYLES = {"positive": "bold red", "negative": "green", "no_prediction": "yellow"}


def show_answers(console: Console, summary: "Summary", out: Path) -> None:
    """Print the most urgent answers, what was refused with its sentence, the counts and the folder of the tables.

    One study alone is a card; of several, each is a row.

    Args:
        console: where to.
        summary: of the run.
        out: folder of the results, of a shard its own.
    """
    rows = [_cells(row) for row in summary.worklist]
    if len(rows) == 1:
        _print_card(console, rows[0])
    elif rows:
        _print_table(console, rows)
        more = summary.positive + summary.negative + summary.no_prediction - len(rows)
        if more > 0:
            console.print(f"... and {more} more in the table of studies.", highlight=False)
    for row in summary.refused:
        console.print(Text(f"Refused ({row['code']}): {row['sentence']}", "yellow"), soft_wrap=True)
    listed = sum(count for code, count in summary.rejected.items() if code != Code.NOT_SELECTED.value)
    if listed > len(summary.refused):
        console.print(f"... and {listed - len(summary.refused)} more in the table of rejections.", highlight=False)
    console.print(Text(_counts(summary)), soft_wrap=True)
    for choice in summary.runtimes:
        sentence = f"The network ran on {choice['runtime']} in {choice['precision']}: {choice['reason']}."
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    console.print(Text(f"Tables: {out}"), soft_wrap=True)
    if "report.html" in summary.files:
        console.print(Text(f"Report: {out / 'report.html'}"), soft_wrap=True)
    for note in summary.notes:
        console.print(Text(note), soft_wrap=True)
    console.print(NOTICE)


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """What a reader is told of a study, by what it is called; empty where there is nothing to say."""
    outcome = str(row.get("outcome", "found"))
    location = row.get("location", "")
    of_location = row.get(f"p_{location}", "") if location in LOCATIONS else ""
    probability = f" ({said})" if (said := probability_of(of_location)) else ""
    leading = row.get("leading_slice", "")
    return {
        "study": str(row.get("path") or row.get("study", "")),
        "haemorrhage": outcome.replace("_", " "),
        "p": probability_of(row.get("p_ich")),
        "kind": ", ".join(str(row.get("kinds") or "").split(";")),
        "location": f"{location}{probability}",
        "volume": volume_of(row) if outcome == "positive" else "",
        "slice": f"{int(leading) + 1} of {row.get('slices', '')}" if leading != "" else "",
        "slices": "" if leading != "" else str(row.get("slices", "")),
        "warnings": ", ".join(in_words(str(row.get("flags") or ""))),
    }


def _print_card(console: Console, cells: Mapping[str, str]) -> None:
    console.print(Text(cells["study"], "bold"), soft_wrap=True)  # one line, however long, to be copied
    table = Table(show_header=False)
    for name, text in cells.items():
        if text and name != "study":
            table.add_row(name, Text(text, _STYLES.get(text.replace(" ", "_"), "")))
    console.print(table)


def _print_table(console: Console, rows: list[dict[str, str]]) -> None:
    if folder := _common_folder(rows):
        console.print(Text(folder), soft_wrap=True)
    table = Table()
    widths = _widths(rows, console.width)
    for name, width in widths.items():
        table.add_column(name, overflow="fold", min_width=width)
    for row in rows:
        texts = {name: Text(row[name], _STYLES.get(row[name].replace(" ", "_"), "")) for name in widths}
        texts["study"] = Text(row["study"][len(folder) :].lstrip("/\\") or row["study"])
        table.add_row(*texts.values())
    console.print(table)


def _widths(rows: list[dict[str, str]], screen: int) -> dict[str, int]:
    """The columns that a screen has room for, and their least widths; the tables have the others."""
    widths = {}
    for name in rows[0]:
        if any(row[name] for row in rows):
            longest = max(len(name), *(len(row[name]) for row in rows))
            widths[name] = min(longest, 12) if name in ("study", "warnings") else longest
    for name in _GIVE_WAY:
        if sum(widths.values()) + 3 * len(widths) + 1 > screen:
            widths.pop(name, None)
    return widths


def _common_folder(rows: list[dict[str, str]]) -> str:
    """The folder that all studies are in; empty where there is none."""
    try:
        return os.path.commonpath([str(Path(row["study"]).parent) for row in rows])
    except ValueError:  # absolute and relative ones, or two drives
        return ""


def _counts(summary: "Summary") -> str:
    counts = {
        "series": summary.series,
        "positive": summary.positive,
        "negative": summary.negative,
        "no prediction": summary.no_prediction,
        "failed": summary.failed,
        "resumed": summary.resumed,
        "replaced": summary.replaced,
        **{f"rejected: {code}": count for code, count in sorted(summary.rejected.items())},
        "other files": summary.other_files,
    }
    said = [f"{name} {count}" for name, count in counts.items() if count or name == "series"]
    return f"{', '.join(said)}; {summary.seconds['total']:.1f} s."
