"""Which trainings the tables need, which of them are there, and the files that are written of those."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError
from scripts.papers.reproduction import protocols
from scripts.papers.reproduction.cost import hours, hours_of_rsna
from scripts.papers.reproduction.experiments import EXPERIMENTS, Experiment
from scripts.papers.reproduction.figures import FIGURES
from scripts.papers.reproduction.options import PAPER_BACKBONE, PAPER_EPOCHS, PAPER_IMAGE_SIZE, Entry, Options
from scripts.papers.reproduction.page import PAGE, Section, write_page
from scripts.papers.reproduction.records import claim
from scripts.papers.reproduction.runs import Run, is_finished
from scripts.papers.reproduction.tables import blocks_of, lines_of, write_tables

Training = tuple[Run, Path, Path]
"""A run, the file of its split, and its folder."""


class Plan:
    """The trainings of some experiments.

    Args:
        names: of `EXPERIMENTS`.
        options: of the command.
        whole: one page of all is asked for, which says of what cannot be made why; otherwise that is an error.

    Attributes:
        trainings: all that the experiments need, each once, one seed after the other.
    """

    def __init__(self, names: list[str], options: Options, whole: bool) -> None:
        self.options = options
        self.whole = whole
        self.entries: dict[str, list[Entry]] = {}
        self.refused: dict[str, str] = {}
        for name in names:
            try:
                self._check_data(name)
                others = whole and name != "table4"  # of one page --networks are the rows of Table 4
                self.entries[name] = EXPERIMENTS[name].entries(replace(options, networks=None) if others else options)
            except InputError as error:
                if not whole:
                    raise
                self.refused[name] = str(error)
        if not self.entries:
            raise InputError(next(iter(self.refused.values())))
        self._splits: dict[tuple[bool, str], Path] = {}
        self._contents: dict[Path, dict[str, Any]] = {}
        for rsna in {EXPERIMENTS[name].rsna for name in self.entries}:
            self._splits |= self._split(rsna)
        found = [
            self.training(entry.run.with_seed(seed))
            for seed in options.seeds
            for entries in self.entries.values()
            for entry in entries
        ]
        self.trainings: dict[Path, Training] = {training[2]: training for training in found}

    def training(self, run: Run) -> Training:
        """A run with its split and folder."""
        split = self._splits[run.rsna, run.split_name]
        return run, split, run.folder(self.options.out, split)

    def missing(self) -> list[Training]:
        """The trainings that are not finished."""
        return [training for folder, training in self.trainings.items() if not is_finished(folder)]

    def write(self) -> Path:
        """Write tables, figures and page of what is finished, and return the page."""
        names = [name for name in EXPERIMENTS if name in self.entries or name in self.refused]
        sections = {name: self._section(name) for name in names}
        page = PAGE.removesuffix(".md") if self.whole else names[0]
        return write_page(page, sections, self.options.out, memory=self.whole)

    def _section(self, name: str) -> Section:
        experiment = EXPERIMENTS[name]
        section = Section(experiment)
        if name in self.refused:
            section.refused = self.refused[name]
            return section
        entries, lines, trained = self.entries[name], [], []
        section.notes = self._notes(experiment, entries)
        for entry in entries:
            runs = [self.training(entry.run.with_seed(seed)) for seed in self.options.seeds]
            section.folders |= {folder: is_finished(folder) for _, _, folder in runs}
            finished = [folder for _, _, folder in runs if section.folders[folder]]
            if finished:
                lines += lines_of(experiment, entry, finished)
                trained.append((entry, finished))
        if lines:
            write_tables(name, lines, self.options.out)
            section.blocks = blocks_of(experiment, lines)
            if experiment.figure:
                section.pictures = FIGURES[experiment.figure](trained, self.options.out / name)
        rest = [self.trainings[folder] for folder, finished in section.folders.items() if not finished]
        section.hours_missing = sum(hours(run, self._read(split)) for run, split, _ in rest)
        in_paper = self._runs_in_paper(experiment)
        section.hours_in_paper = sum(hours(run, self._read(self._splits[run.rsna, run.split_name])) for run in in_paper)
        section.hours_of_rsna = sum(hours_of_rsna(run) for run in in_paper) if experiment.rsna else 0.0
        return section

    def _runs_in_paper(self, experiment: Experiment) -> list[Run]:
        """Its trainings at the papers' sizes, each once."""
        options = self.options.as_in_the_paper()
        runs = [entry.run.with_seed(seed) for entry in experiment.entries(options) for seed in options.seeds]
        return list({repr(run): run for run in runs}.values())

    def _check_data(self, name: str) -> None:
        option, data = ("--rsna", self.options.rsna) if EXPERIMENTS[name].rsna else ("--data", self.options.data)
        if data is None:
            raise InputError(f"{name} needs {option}, the data to train on.")

    def _split(self, rsna: bool) -> dict[tuple[bool, str], Path]:
        """Files of the splits of one kind of data, made when they are not there yet."""
        options = self.options
        data = options.rsna if rsna else options.data
        assert data is not None
        limits = {"max_patients": options.max_patients, "max_slices": options.max_slices, "seed": options.split_seed}
        made_of = {"data": str(data.absolute()), "rsna": rsna, **limits}
        digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:10]
        folder = options.out / "splits" / f"{'rsna' if rsna else 'dtvit'}-{digest}"
        runs = [e.run for entries in self.entries.values() for e in entries if e.run.rsna == rsna]
        paths = {run.split_name: folder / f"{run.split_name}.json" for run in runs}
        wanted = {run.split_name: run for run in runs}
        items: list[Any] = []
        for name, path in paths.items():
            if not path.is_file():
                options.out.mkdir(parents=True, exist_ok=True)
                items = items or protocols.load(
                    data, options.out, rsna, options.max_patients, options.max_slices, options.split_seed
                )
                claim(folder, made_of)
                protocols.write_split(path, items, wanted[name].protocol, wanted[name].replicated, options.split_seed)
        return {(rsna, name): path for name, path in paths.items()}

    def _read(self, split: Path) -> dict[str, Any]:
        if split not in self._contents:
            self._contents[split] = protocols.read_split(split)
        return self._contents[split]

    def _notes(self, experiment: Experiment, entries: list[Entry]) -> list[str]:
        """Sentences on the data and on all that is not as in the paper."""
        notes = [*_differences(experiment, self.options), *([experiment.remark] if experiment.remark else [])]
        for name in dict.fromkeys(entry.run.split_name for entry in entries):
            split = protocols.describe(self._read(self._splits[experiment.rsna, name]))
            notes.append(f"Split {name.replace('_', ', ')}: {split}.")
        judged = (
            "best epoch of both" if experiment.rsna else "best epoch on the validation patients (of a curve, the last)"
        )
        notes.append(
            "Images split: 80/10/10 of the slices at random, after replication where there is one, as published. "
            f"Patients apart: 80/10/10 of the patients, balancing of the training part alone. Judged: {judged}"
            + ("." if experiment.rsna else "; of the images split the last, as published.")
        )
        seeds = ", ".join(map(str, self.options.seeds))
        notes.append(
            "In brackets: 95% intervals from drawing the judged patients. Numbers are means of the seeds that are "
            f"there, of {seeds}; split {self.options.split_seed}."
        )
        return notes


def _differences(experiment: Experiment, options: Options) -> list[str]:
    smaller = []
    if options.image_size != PAPER_IMAGE_SIZE:
        smaller.append(f"images of {options.image_size} pixels (paper {PAPER_IMAGE_SIZE})")
    if options.epochs != PAPER_EPOCHS:
        smaller.append(f"{options.epochs} epoch(s) ({PAPER_EPOCHS})")
    network, usual = (options.branch, "legacy_xception") if experiment.rsna else (options.backbone, PAPER_BACKBONE)
    if network:
        smaller.append(f"{'branches' if experiment.rsna else 'backbone'} {network} ({usual})")
    if options.random_weights:
        smaller.append("random initial weights (pretrained ones)")
    if options.max_patients:
        smaller.append(f"at most {options.max_patients} patients")
    if options.max_slices:
        smaller.append(f"at most {options.max_slices} slices of a patient")
    settings = options.scopeformer_settings if experiment.rsna else options.settings
    smaller += [f"{name} {value}" for name, value in settings.items()]
    return [f"Not as in the paper: {', '.join(smaller)}." if smaller else "Size, epochs and weights as in the paper."]
