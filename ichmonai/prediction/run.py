"""A batch from its inputs to its tables."""

import functools
import hashlib
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from ichmonai import __version__
from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.io.discovery.find import usable_series
from ichmonai.io.discovery.scan import scan
from ichmonai.io.findings import Code, accepted_codes
from ichmonai.io.header import ImageHeader, Kind
from ichmonai.io.series import OtherFile, Rejection, Series
from ichmonai.prediction.chain import clinical_table
from ichmonai.prediction.folder import claimed
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.journal_file import damaged
from ichmonai.prediction.report.templates import Templates, read_templates
from ichmonai.prediction.source import Parts, Source
from ichmonai.prediction.steps import Answer
from ichmonai.prediction.touched import changed, is_unchanged, keep_touched
from ichmonai.prediction.writers import Writer, check_masks, writer_classes
from ichmonai.provenance import table_digests, write_provenance

LISTED = 20
"""Rows of the tables that a summary shows."""

REPORTED = 300
"""Series up to which a report is made unless it is asked for: each takes half a megabyte, and a person to look at."""

_AS_BEFORE = "an earlier run gave its answers on it, and another, though as good, differs in the last digit"
"""Why a run that is continued has its runtime, though nobody named one."""


class Engine(Protocol):
    """How series are predicted."""

    def __call__(
        self, source: Source, tasks: Iterable[Series], pictures: bool = False, /
    ) -> Iterator[tuple[Series, Answer]]:
        """Take a bundle, and series one by one, and give each back with its answer, in any order."""


class ResultsError(InputError):
    """A run that had begun cannot write its results."""


@dataclass(frozen=True)
class BatchOptions:
    """What a batch does.

    Attributes:
        all_series: predict every series of a study instead of the best one.
        formats: names of `ichmonai.prediction.writers`.
        shard: (i, n): of n machines this is number i, from 1; it takes its share of the studies.
        dry_run: find and check only.
        workers: processes that read headers.
        reported: series up to which writers that show pictures are used.
        identify: let the tables and pages say whose images they are.
        more_writers: of other packages: each makes one of what decides the results, as the journal has it.
        templates: the sentences of the report in words.
        one_study_per_folder: the pictures in a folder are the slices of one study, in the order of their names.
    """

    all_series: bool = False
    formats: tuple[str, ...] = ("csv",)
    shard: tuple[int, int] = (1, 1)
    dry_run: bool = False
    workers: int | None = None
    reported: float = REPORTED
    identify: bool = False
    more_writers: tuple[Callable[[Mapping[str, Any]], Writer], ...] = ()
    templates: Templates = field(default_factory=read_templates)
    one_study_per_folder: bool = False


class Progress(Protocol):
    """Is told how far a batch is."""

    def found(self, images: int) -> None:
        """Images were found, this many so far."""

    def planned(self, series: int, done: int) -> None:
        """There are so many series, some of them done by an earlier run."""

    def answered(self) -> None:
        """One more series is done."""


@dataclass
class Summary:
    """What a batch came to.

    Attributes:
        series: those to predict.
        usable: those of them that were not refused when they were read.
        positive, negative, no_prediction: rows of the table of studies.
        rejected: rows of the table of rejections, by code.
        failed: those of them whose work crashed or did not end.
        other_files: files that are no images.
        resumed: series that an earlier run had done.
        replaced: series that an earlier run had done, of which files have changed since: they were done again.
        seconds: wall clock by stage, and the work in all processes by stage.
        runtimes: what the network ran on, and why; several where machines of a cluster differ, none where nothing was
            left to do.
        worklist: the first rows of the table of studies, the most urgent first, or of a dry run's plan.
        files: names of the tables and of the report.
        refused: the first rows of the table of rejections, but for series that were only not the best of their study.
        notes: sentences of the writers.
    """

    series: int = 0
    usable: int = 0
    positive: int = 0
    negative: int = 0
    no_prediction: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    other_files: int = 0
    resumed: int = 0
    replaced: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    runtimes: list[dict[str, Any]] = field(default_factory=list)
    worklist: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_batch(
    inputs: Sequence[str | PathLike],
    out: Path,
    source: Source,
    engine: Engine,
    options: BatchOptions,
    progress: Progress,
) -> Summary:
    """Find every head CT in the inputs, predict each, and write the tables.

    `out` gets `studies.*` (a worklist: positives, then what has no prediction, then negatives), `slices.*`,
    `rejected.*`, `run.json` and `journal.sqlite`, in which every answer is written as soon as it is there. A run that
    was killed continues from it when it is started again, and gives the same tables. A dry run leaves `plan.*` and
    `rejected.*`.

    Args:
        inputs: files, folders, zip archives, DICOMDIRs, csv files of paths.
        out: folder, made if absent; with a shard, a folder of the shard's own in it.
        source: bundle.
        engine: how series are predicted.
        options: what else.
        progress: is told how far it is.

    Returns:
        Counts and timings.

    Raises:
        InputError: when the run cannot start, or the disk is full.
    """
    started = time.perf_counter()
    check_options(options)
    bundle = source.open()
    check_masks(options.formats, bundle.weights, bundle.setting("description"))
    accept = accepted_codes(bundle.setting("accept"))
    identity = _identity(bundle, options)
    index, shards = options.shard
    folder = out if shards == 1 else out / f"shard-{index}-of-{shards}"
    with claimed(folder):
        try:
            file = folder / ("dry-run.sqlite" if options.dry_run else "journal.sqlite")
            if options.dry_run:
                file.unlink(missing_ok=True)
            journal = Journal(file, identity)
            try:
                journal.begin(inputs)
                before = journal.runtime() if bundle.placement["runtime"] == "auto" else None
                predictor = functools.partial(engine, source.with_runtime(before) if before else source)
                writers = [one(folder, options.identify, options.templates) for one in writer_classes(options.formats)]
                writers += [] if options.dry_run else [one(identity) for one in options.more_writers]
                summary = _run(inputs, journal, predictor, accept, options, progress, writers)
                if before:
                    summary.runtimes = [{**choice, "reason": _AS_BEFORE} for choice in summary.runtimes]
                if not options.dry_run:
                    _check_weights(bundle, journal)
                written = time.perf_counter()
                tables = table_digests(file for one in writers for file in one.finish(journal, options.dry_run))
                summary.files = list(tables)
                summary.notes = [note for one in writers for note in one.notes()] + clinical_notes(bundle, journal)
                journal.end()
                summary.seconds["write"] = time.perf_counter() - written
                summary.seconds["total"] = time.perf_counter() - started
                if not options.dry_run:
                    _write_record(folder, source, bundle, summary, options, tables)
            finally:
                journal.close()
            if options.dry_run:
                file.unlink()
        except (sqlite3.OperationalError, OSError) as error:
            raise ResultsError(
                f"The results cannot be written to {folder} ({error}); make room, then start the run again: "
                "it continues where it stopped."
            ) from error
        except sqlite3.DatabaseError as error:
            raise ResultsError(str(damaged(file, error))) from error
    return summary


def check_options(options: BatchOptions) -> None:
    """Say what is wrong with the options before any work.

    Raises:
        InputError: in one sentence.
    """
    index, shards = options.shard
    if not 1 <= index <= shards:
        raise InputError(f"Shard {index}/{shards} does not exist; give i/n with i from 1 to n.")
    writer_classes(options.formats)


def _run(
    inputs: Sequence[str | PathLike],
    journal: Journal,
    predictor: Callable[..., Iterator[tuple[Series, Answer]]],
    accept: frozenset[Code],
    options: BatchOptions,
    progress: Progress,
    writers: list[Writer],
) -> Summary:
    summary = Summary()
    started = time.perf_counter()
    _discover(inputs, journal, options, progress, summary)
    for headers in journal.studies():
        if _is_in_shard(headers[0].study, options.shard):
            journal.plan(*usable_series(headers, accept, options.all_series))
    keep_touched(journal, options.workers)
    summary.replaced = journal.replaced()
    summary.seconds["discover"] = time.perf_counter() - started
    summary.series = journal.count()
    summary.resumed = summary.series - sum(1 for _ in journal.open_tasks())
    progress.planned(summary.series, summary.resumed)
    if summary.series > options.reported:
        writers[:] = [one for one in writers if not one.shows_pictures]
    if not options.dry_run:
        write_kept(journal, writers)
    predicting = time.perf_counter()
    recording = 0.0
    shown = (True,) if any(one.shows_pictures for one in writers) and not options.dry_run else ()
    for series, answer in predictor(journal.open_tasks(), *shown):
        before = time.perf_counter()
        answer = answer if is_unchanged(series) else changed(series)
        for writer in () if options.dry_run else writers:  # first, so that what has its answer has the rest, too
            writer.write(series, answer)
        journal.record(series, answer)
        recording += time.perf_counter() - before
        if answer.runtime and answer.runtime not in summary.runtimes:
            summary.runtimes.append(answer.runtime)
        progress.answered()
    summary.seconds |= {"predict": time.perf_counter() - predicting, "record": recording}
    summary.seconds |= {f"work_{stage}": value for stage, value in journal.seconds().items()}
    count(journal, summary)
    return summary


def clinical_notes(bundle: Parts, journal: Journal) -> list[str]:
    """What became of clinical data, or that the network would take some."""
    table = clinical_table(bundle.preprocessing)
    if table is not None:
        return list(table.notes({row["study"] for row in journal.study_rows()}))
    if columns := getattr(bundle.setting("description"), "clinical", ()):
        names = ", ".join(one.name for one in columns)
        return [f"The network also takes clinical data ({names}), and answered by the images alone; see --clinical."]
    return []


def write_kept(journal: Journal, writers: Sequence[Writer]) -> None:
    """Write what is of the series that have their answers already."""
    interested = [one for one in writers if type(one).write is not Writer.write]
    masks = any(one.needs_mask for one in interested)
    for series, answer in journal.kept(masks) if interested else ():
        for writer in interested:
            writer.write(series, answer)


def count(journal: Journal, summary: Summary) -> None:
    """Count what the tables will have."""
    for outcome, number in journal.outcomes().items():
        setattr(summary, outcome, number)
    summary.usable = journal.count("code = ''")
    summary.rejected = dict(Counter(row["code"] for row in journal.rejected_rows()))
    summary.failed = summary.rejected.get(Code.FAILED.value, 0)
    summary.worklist = list(itertools.islice(journal.study_rows(), LISTED))
    others = (row for row in journal.rejected_rows() if row["code"] != Code.NOT_SELECTED.value)
    summary.refused = list(itertools.islice(others, LISTED))


def _discover(
    inputs: Sequence[str | PathLike], journal: Journal, options: BatchOptions, progress: Progress, summary: Summary
) -> None:
    images = 0
    found = scan(inputs, options.workers)
    while batch := list(itertools.islice(found, 500)):
        headers = [one for one in batch if isinstance(one, ImageHeader)]
        if options.one_study_per_folder:
            headers = [one.of_folder() if one.kind is Kind.PICTURE else one for one in headers]
        rejections = [one for one in batch if isinstance(one, Rejection)]
        summary.other_files += sum(isinstance(one, OtherFile) for one in batch)
        journal.add_headers(headers)
        # Of what has no study yet, one shard answers for all.
        journal.plan((), (one for one in rejections if _is_in_shard(one.study, options.shard)))
        images += len(headers)
        progress.found(images)


def _is_in_shard(study: str, shard: tuple[int, int]) -> bool:
    index, shards = shard
    digest = hashlib.sha256(study.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shards == index - 1


def _identity(bundle: Parts, options: BatchOptions) -> dict[str, Any]:
    return {
        "version": __version__,
        **({} if options.dry_run else {**bundle.identity, **bundle.setting("decision").thresholds}),
        "accept": sorted(bundle.setting("accept")),
        "all_series": options.all_series,
        "one_study_per_folder": options.one_study_per_folder,
        "shard": list(options.shard),
    }


def _check_weights(bundle: Parts, journal: Journal) -> None:
    if sha256_of_file(bundle.weights) != bundle.identity["weights_sha256"]:
        journal.forget()
        raise InputError(
            f"{bundle.weights} changed during the run, so that it is not known which weights the answers are of; they "
            "were removed, so start the run again."
        )


_NOT_COUNTS = ("seconds", "runtimes", "worklist", "refused", "files", "notes")
"""Parts of a summary that its record has elsewhere, or not at all."""


def _settings(bundle: Parts) -> dict[str, Any]:
    """What was asked for besides what a record says of itself (weights, threshold, temperatures, accepted codes)."""
    batch_size = getattr(bundle.inferer, "batch_size", None)
    return {"device": str(bundle.setting("device")), "batch_size": batch_size, **bundle.placement}


def _clinical_record(bundle: Parts) -> dict[str, Any]:
    table = clinical_table(bundle.preprocessing)
    if table is None:
        return {}
    return {"clinical": {"sha256": sha256_of_file(table.rows.path), "columns": [one.name for one in table.columns]}}


def _write_record(
    folder: Path,
    source: Source,
    bundle: Parts,
    summary: Summary,
    options: BatchOptions,
    tables: dict[str, str],
) -> None:
    write_provenance(
        folder / "run.json",
        bundle.weights,
        bundle=str(source.root),
        overlays=list(map(str, source.overlays)),
        settings=_settings(bundle),
        config_sha256=bundle.identity["config_sha256"],
        **bundle.setting("decision").thresholds,
        temperature=dict(bundle.setting("calibration").temperature),
        accept=bundle.setting("accept"),
        all_series=options.all_series,
        one_study_per_folder=options.one_study_per_folder,
        shard=list(options.shard),
        report={"language": options.templates.language, "templates_sha256": options.templates.sha256},
        **_clinical_record(bundle),
        runtimes=summary.runtimes,
        tables=tables,
        counts={name: value for name, value in vars(summary).items() if name not in _NOT_COUNTS},
        seconds={name: round(value, 3) for name, value in summary.seconds.items()},
    )
