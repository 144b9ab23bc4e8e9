"""The tables that an experiment writes: every number in csv, the main ones in markdown."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ichmonai.tables import write_csv
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.experiments import Entry, Experiment
from scripts.papers.reproduction.results import curve, judge, judge_rsna

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
    """A line of the csv file; `low` and `high` are of the 95% interval from drawing the judged patients."""

    row: str
    protocol: str
    definition: str
    metric: str
    paper: float | None
    value: float | None
    low: float | None = None
    high: float | None = None
    slices: int | None = None
    patients: int | None = None


def write_tables(name: str, experiment: Experiment, lines: Sequence[Line], notes: Sequence[str], out: Path) -> None:
    """Write `<name>.csv` and `<name>.md`.

    Args:
        name: of the experiment.
        experiment: what is compared.
        lines: of what was trained so far, see `lines_of`.
        notes: sentences on data, splits and how the runs differ from the paper's.
        out: folder.
    """
    write_csv(out / f"{name}.csv", Line.__dataclass_fields__, [_rounded(line) for line in lines])
    body = {"heads": _heads, "curves": _curves, "rsna": _rsna}[experiment.kind](_Lines(lines))
    text = [f"# {experiment.title}", *(f"- {note}" for note in notes), *body]
    (out / f"{name}.md").write_text(_joined(text) + "\n", encoding="utf-8")


def lines_of(experiment: Experiment, entry: Entry, folder: Path) -> list[Line]:
    """What a finished run found, beside the paper's numbers."""
    found, slices, patients = (judge_rsna if experiment.rsna else judge)(folder)
    printed = {"rsna": _printed_rsna, "heads": _printed_heads, "curves": lambda _: {}}[experiment.kind](entry)
    lines = [
        Line(entry.label, entry.run.protocol, definition, metric, printed.get((definition, metric)), *value)
        for definition, metrics in found.items()
        for metric, value in metrics.items()
    ]
    if experiment.kind == "curves":
        last = found["ours"]["mean_accuracy"]
        for metric, value in curve(folder)._asdict().items():
            interval = (last.low, last.high) if metric == "val_accuracy_last" else (None, None)
            was = getattr(entry.paper, metric)
            lines.append(Line(entry.label, entry.run.protocol, "curve", metric, was, value, *interval))
    return [Line(**{**asdict(line), "slices": slices, "patients": patients}) for line in lines]


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
    text += _table(head, [*rows, ["always the commonest answer", *baseline]])
    for protocol in lines.protocols:
        text.append(
            f"**More than accuracy, {_PROTOCOLS[protocol]}**; positive is haemorrhage, location is one against the rest"
        )
        more = [[row, *(lines.cell(row, protocol, "ours", name) for name in _MORE)] for row in lines.rows]
        text += _table(["", *(name.replace("_", " ") for name in _MORE)], more)
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
        text += _table(["", *(f"{_HEADS[task]} {metric}" for task, metric in names)], published)
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
    return text + _table(head, rows)


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
    return ["**Mean accuracy over the six labels, and the challenge's weighted log loss**", *_table(head, rows)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))]


def _joined(blocks: Sequence[str]) -> str:
    """Blocks with an empty line between, but none between the items of a list."""
    text = blocks[0]
    for before, block in itertools.pairwise(blocks):
        text += ("\n" if before.startswith("- ") and block.startswith("- ") else "\n\n") + block
    return text


def _number(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def _rounded(line: Line) -> dict:
    return {
        name: (f"{value:.6g}" if math.isfinite(value) else "") if isinstance(value, float) else value
        for name, value in asdict(line).items()
    }
