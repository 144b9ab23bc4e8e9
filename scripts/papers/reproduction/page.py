"""The one page of all tables and figures, with what each training took, and what those cost that were not made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ichmonai.tables import write_csv
from scripts.bench.memory import GIB, peak_bytes
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.experiments import Experiment
from scripts.papers.reproduction.options import PAPER_BACKBONE, PAPER_IMAGE_SIZE
from scripts.papers.reproduction.records import read_csv, record
from scripts.papers.reproduction.tables import joined, markdown_table

PAGE = "page.md"

_MEMORY = ("precision", "gradient_checkpointing", "batch_8", "batch_32", "batch_64")


@dataclass
class Section:
    """A table or figure as it stands.

    Attributes:
        experiment: what is compared.
        notes: on the data, and on what is not as in the paper.
        blocks: of markdown, once a row is finished.
        pictures: files.
        folders: of its trainings -> whether finished.
        hours_missing: of the unfinished, on the paper's card.
        hours_in_paper: of all of them at the paper's sizes.
        hours_of_rsna: the same on the whole challenge; Scopeformer's alone.
        refused: why it cannot be made.
    """

    experiment: Experiment
    notes: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    folders: dict[Path, bool] = field(default_factory=dict)
    hours_missing: float = 0.0
    hours_in_paper: float = 0.0
    hours_of_rsna: float = 0.0
    refused: str = ""

    def text(self, out: Path) -> list[str]:
        """Heading, notes, pictures and tables."""
        found = [f"## {self.experiment.title}", *(f"- {note}" for note in self.notes)]
        if self.refused:
            return [*found, f"Not made: {self.refused}"]
        if not self.blocks:
            return [*found, "Not run yet."]
        return [*found, *(f"![{path.stem}]({path.relative_to(out)})" for path in self.pictures), *self.blocks]


def write_page(name: str, sections: Mapping[str, Section], out: Path, memory: bool) -> Path:
    """Write the page and `trainings.csv`, a row a finished training.

    Args:
        name: of the page's file, without its end.
        sections: by the name of the experiment.
        out: folder.
        memory: with what batches take, which counts for a minute the first time.
    """
    blocks = ["# The papers' tables and figures, trained anew"] if len(sections) > 1 else []
    for section in sections.values():
        blocks += section.text(out)
    if memory:
        blocks += _memory(out)
    folders = {path: finished for section in sections.values() for path, finished in section.folders.items()}
    blocks += _trainings([path for path, finished in folders.items() if finished], out)
    blocks += _costs(sections)
    path = out / f"{name}.md"
    path.write_text(joined(blocks), encoding="utf-8")
    return path


def _trainings(folders: Sequence[Path], out: Path) -> list[str]:
    if not folders:
        return []
    rows = [{"training": folder.name, **record(folder)} for folder in folders]
    columns = ("training", "command", "commit", "started", "seconds", "attempts", "machine")
    write_csv(out / "trainings.csv", columns, rows)
    head = ["", "commit", "begun", "seconds", "machine"]
    cells = [[str(row.get(k, "")) for k in ("training", "commit", "started", "seconds", "machine")] for row in rows]
    commands = dict.fromkeys(row["command"] for row in rows)
    text = [
        "## Trainings",
        "Rows that tables share were trained once. Seconds are of the epochs, validation included. The commands:",
        *(f"- `{command}`" for command in commands),
    ]
    return [*text, *markdown_table(head, cells)]


def _costs(sections: Mapping[str, Section]) -> list[str]:
    rows = []
    for name, section in sections.items():
        finished = sum(section.folders.values())
        rows.append(
            [
                f"`{name}`",
                f"{finished} of {len(section.folders)}" if section.folders else "none",
                _hours(section.hours_missing),
                _hours(section.hours_in_paper),
                _hours(section.hours_of_rsna),
            ]
        )
    return [
        "## What was not run, and what it costs",
        "Hours on the paper's RTX 4090, estimated from its own times by the operations of the networks; convolutional "
        "networks take longer. The paper's sizes are this data, the papers' networks, 224 pixels, ten epochs.",
        *markdown_table(
            ["", "trainings made", "hours of the rest", "hours at the paper's sizes", "on the whole of RSNA 2019"], rows
        ),
    ]


def _memory(out: Path) -> list[str]:
    path = out / "memory.csv"
    rows: list[dict] = list(read_csv(path)) or list(_peaks())
    if not path.is_file():
        write_csv(path, _MEMORY, rows)
    cells = [[str(row[name]) for name in _MEMORY] for row in rows]
    return [
        "## DTViT, batch 64 in 24 GB",
        f"GiB that a training step of ViT-L/16 takes, counted without a GPU (`scripts/bench/memory.py`); an A10 leaves "
        f"{paper.A10_GIB:g}. The paper says that batch 64 does not fit.",
        *markdown_table([name.replace("_", " ") for name in _MEMORY], cells),
    ]


def _peaks() -> Iterable[dict]:
    for bf16 in (False, True):
        for checkpointing in (False, True):
            setting = (PAPER_IMAGE_SIZE, bf16, checkpointing)
            peaks = {
                f"batch_{batch}": f"{peak_bytes(PAPER_BACKBONE, batch, *setting) / GIB:.1f}" for batch in (8, 32, 64)
            }
            yield {"precision": "bf16" if bf16 else "fp32", "gradient_checkpointing": checkpointing, **peaks}


def _hours(value: float) -> str:
    return f"{value:.1f}" if value >= 0.05 else f"{value:.3f}" if value else ""
