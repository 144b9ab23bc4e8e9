"""The tables that an experiment writes: every number in csv, the main ones in markdown."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ichmonai.classes import ICH_CLASSES, LOCATIONS
from ichmonai.tables import write_csv
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.experiments import Experiment
from scripts.papers.reproduction.options import Entry
from scripts.papers.reproduction.results import curve, judge, judge_rsna, matrices

_PROTOCOLS = {"published": "images split", "patient": "patients apart"}
_HEADS = {"task1": "haemorrhage", "task2": "location"}
_OURS = {"task1": "ich", "task2": "location"}
_MORE = (
    "ich_auc",
    "ich_sensitivity",
    "ich_specificity",
    "location_balanced_accuracy",
    "location_auc",
    "location_deep_sensitivity",
    "location_lobar_sensitivity",
    "location_subtentorial_sensitivity",
)


@dataclass(frozen=True)
class Line:
    """A line of the csv file.

    `value` is the mean over the seeds; `low` and `high` are of its 95% interval from drawing the judged patients, and
    `seed_low` and `seed_high` the least and the greatest of the seeds.
    """

    row: str
    protocol: str
    definition: str
    metric: str
    paper: float | None
    value: float | None
    low: float | None = None
    high: float | None = None
    seeds: int = 1
    seed_low: float | None = None
    seed_high: float | None = None
    slices: int | None = None
    patients: int | None = None


def write_tables(name: str, lines: Sequence[Line], out: Path) -> None:
    """Write `<name>.csv`."""
    write_csv(out / f"{name}.csv", Line.__dataclass_fields__, [_rounded(line) for line in lines])


def blocks_of(experiment: Experiment, lines: Sequence[Line]) -> list[str]:
    """Blocks of markdown with the main numbers."""
    return {"heads": _heads, "curves": _curves, "rsna": _rsna, "matrix": _matrix}[experiment.kind](_Lines(lines))


def lines_of(experiment: Experiment, entry: Entry, folders: Sequence[Path]) -> list[Line]:
    """What finished trainings of a row found, one a seed, beside the paper's numbers."""
    if experiment.kind == "matrix":
        return _counts(entry, folders)
    found = (judge_rsna if experiment.rsna else judge)(folders, entry.judged)
    printed = {"rsna": _printed_rsna, "heads": _printed_heads, "curves": lambda _: {}}[experiment.kind](entry)
    lines = []
    for definition, metrics in found.metrics.items():
        for metric, value in metrics.items():
            was = printed.get((definition, metric))
            line = Line(entry.label, entry.run.protocol, definition, metric, was, *value)
            lines.append(_of_seeds(line, found.seeds[definition][metric]))
    if experiment.kind == "curves":
        last = found.metrics["ours"]["mean_accuracy"]
        each = [curve([folder]) for folder in folders]
        for metric, value in curve(folders)._asdict().items():
            low, high = (last.low, last.high) if metric == "val_accuracy_last" else (None, None)
            was = getattr(entry.paper, metric)
            line = Line(entry.label, entry.run.protocol, "curve", metric, was, value, low, high)
            lines.append(_of_seeds(line, [getattr(one, metric) for one in each]))
    return [replace(line, slices=found.slices, patients=found.patients) for line in lines]


def _of_seeds(line: Line, values: Sequence[float]) -> Line:
    return replace(line, seeds=len(values), seed_low=min(values), seed_high=max(values))


def _counts(entry: Entry, folders: Sequence[Path]) -> list[Line]:
    """Each cell of both confusion matrices, the seeds added up."""
    lines = []
    for task, matrix in matrices(folders, entry.judged).items():
        names = ICH_CLASSES if task == "task1" else LOCATIONS
        for (i, true), (j, called) in itertools.product(enumerate(names), repeat=2):
            was = entry.paper[i][j] if task == "task1" else None
            metric = f"{true} called {called}"
            lines.append(
                Line(entry.label, entry.run.protocol, task, metric, was, float(matrix[i, j]), seeds=len(folders))
            )
    return lines


def _printed_heads(entry: Entry) -> dict[tuple[str, str], float]:
    if entry.paper is None:
        return {}
    printed = {
        ("published", f"{task}_{metric}"): value
        for task, values in entry.paper.items()
        for metric, value in zip(paper.METRICS, values, strict=True)
    }
    return printed | {("ours", f"{_OURS[task]}_accuracy"): entry.paper[task][0] for task in paper.TASKS}


def _printed_rsna(entry: Entry) -> dict[tuple[str, str], float]:
    if entry.paper is None:
        return {}
    return {("ours", name): value for name, value in zip(("accuracy", "log_loss"), entry.paper, strict=True)}


class _Lines:
    """Lines by what they are of."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.rows = list(dict.fromkeys(line.row for line in lines))
        self.protocols = [p for p in _PROTOCOLS if any(line.protocol == p for line in lines)]
        self._by_key = {(line.row, line.protocol, line.definition, line.metric): line for line in lines}

    def cell(self, row: str, protocol: str, definition: str, metric: str, digits: int = 3) -> str:
        """Value and interval, or what stands for neither."""
        line = self._by_key.get((row, protocol, definition, metric))
        if line is None:
            return "not yet"
        text = _number(line.value, digits)
        bounds = (line.low, line.high)
        known = all(bound is not None and math.isfinite(bound) for bound in bounds)
        return f"{text} ({_number(line.low, digits)} to {_number(line.high, digits)})" if known else text

    def printed(self, row: str, definition: str, metric: str, digits: int = 4) -> str:
        """The paper's number."""
        found = (self._by_key.get((row, protocol, definition, metric)) for protocol in self.protocols)
        return _number(next((line.paper for line in found if line is not None), None), digits)


def _heads(lines: _Lines) -> list[str]:
    columns = [(task, protocol) for task in paper.TASKS for protocol in ("paper", *lines.protocols)]
    head = ["", *(f"{_HEADS[task]}: {_PROTOCOLS.get(column, column)}" for task, column in columns)]
    rows = [
        [
            row,
            *(
                lines.printed(row, "published", f"{task}_accuracy")
                if column == "paper"
                else lines.cell(row, column, "ours", f"{_OURS[task]}_accuracy")
                for task, column in columns
            ),
        ]
        for row in lines.rows
    ]
    baseline = [
        "" if column == "paper" else lines.cell(lines.rows[0], column, "baseline", f"{_OURS[task]}_accuracy")
        for task, column in columns
    ]
    text = ["**Accuracy** (location: of the slices with a haemorrhage)"]
    text += markdown_table(head, [*rows, ["always the commonest answer", *baseline]])
    for protocol in lines.protocols:
        text.append(
            f"**More than accuracy, {_PROTOCOLS[protocol]}**; positive is haemorrhage, location is one against the rest"
        )
        more = [[row, *(lines.cell(row, protocol, "ours", name) for name in _MORE)] for row in lines.rows]
        text += markdown_table(["", *(name.replace("_", " ") for name in _MORE)], more)
    if "published" in lines.protocols:
        text.append(
            "**As the paper defines its columns, images split**: paper / here; task 1's positive class is "
            "normal, so its specificity is the sensitivity above; task 2's is deep, and deep called lobar counts as "
            "right in the accuracy"
        )
        names = [(task, metric) for task in paper.TASKS for metric in paper.METRICS]
        published = [
            [
                row,
                *(
                    f"{lines.printed(row, 'published', f'{task}_{metric}')} / "
                    f"{lines.cell(row, 'published', 'published', f'{task}_{metric}').split(' ')[0]}"
                    for task, metric in names
                ),
            ]
            for row in lines.rows
        ]
        text += markdown_table(["", *(f"{_HEADS[task]} {metric}" for task, metric in names)], published)
    return text


def _curves(lines: _Lines) -> list[str]:
    text = [
        "**By epoch**; accuracy is the mean of both tasks', loss their sum, without replication of the metric's "
        "definition in the paper, which does not state it"
    ]
    fields = paper.Curve._fields
    head = ["", "", *(name.replace("_", " ") for name in fields)]
    rows = []
    for row in lines.rows:
        rows.append([row, "paper", *(lines.printed(row, "curve", name) for name in fields)])
        rows += [
            [row, _PROTOCOLS[protocol], *(lines.cell(row, protocol, "curve", name) for name in fields)]
            for protocol in lines.protocols
        ]
    return text + markdown_table(head, rows)


def _rsna(lines: _Lines) -> list[str]:
    names = ("accuracy", "log_loss")
    columns = [(name, protocol) for name in names for protocol in ("paper", *lines.protocols)]
    head = ["", *(f"{name.replace('_', ' ')}: {_PROTOCOLS.get(column, column)}" for name, column in columns)]
    rows = [
        [
            row,
            *(
                lines.printed(row, "ours", name, 5) if column == "paper" else lines.cell(row, column, "ours", name)
                for name, column in columns
            ),
        ]
        for row in lines.rows
    ]
    for baseline, words in (("all_negative", "no haemorrhage, always"), ("prevalence", "the training part's shares")):
        cells = (
            "" if column == "paper" else lines.cell(lines.rows[0], column, f"baseline {baseline}", name)
            for name, column in columns
        )
        rows.append([words, *cells])
    return ["**Mean accuracy over the six labels, and the challenge's weighted log loss**", *markdown_table(head, rows)]


def _matrix(lines: _Lines) -> list[str]:
    blocks = ["**Slices by what they are and what they are called**; the seeds added up"]
    for task, names in (("task1", ICH_CLASSES), ("task2", LOCATIONS)):
        cells = [f"{true} called {called}" for true, called in itertools.product(names, repeat=2)]
        rows = [
            [protocol_name(p), *(lines.cell(lines.rows[0], p, task, cell, 0) for cell in cells)]
            for p in lines.protocols
        ]
        if task == "task1":
            rows.insert(0, ["paper", *(lines.printed(lines.rows[0], task, cell, 0) for cell in cells)])
        blocks += markdown_table(["", *cells], rows)
    return blocks


def protocol_name(protocol: str) -> str:
    """A protocol as the tables call it."""
    return _PROTOCOLS[protocol]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as one block."""
    return ["\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))]


def joined(blocks: Sequence[str]) -> str:
    """Blocks with an empty line between, but none between the items of a list."""
    text = blocks[0]
    for before, block in itertools.pairwise(blocks):
        text += ("\n" if before.startswith("- ") and block.startswith("- ") else "\n\n") + block
    return text + "\n"


def _number(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def _rounded(line: Line) -> dict:
    return {
        name: (f"{value:.6g}" if math.isfinite(value) else "") if isinstance(value, float) else value
        for name, value in asdict(line).items()
    }
