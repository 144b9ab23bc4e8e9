"""The command ``ichmonai predict``."""

import functools
import json
import math
import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ichmonai.commands.bundle_options import (
    BundleOption,
    ConfigOption,
    DeviceOption,
    SettingsOption,
    TimeoutOption,
    TrustOption,
    WorkersOption,
    bundle_source,
)
from ichmonai.commands.stop import stop, stoppable
from ichmonai.errors import InputError

if TYPE_CHECKING:
    from ichmonai.prediction.report.templates import Templates


class EngineName(str, Enum):
    """Where a batch runs."""

    LOCAL = "local"
    RAY = "ray"


class RuntimeName(str, Enum):
    """What the network runs on."""

    AUTO = "auto"
    TORCH = "torch"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            exists=True, help="Files, folders, zip archives, DICOMDIRs or csv files of paths: DICOM, NIfTI and others."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables; a run that was stopped continues in it.")],
    bundle: BundleOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
    device: DeviceOption = None,
    runtime: Annotated[
        RuntimeName | None,
        typer.Option(help="What the network runs on; unless given, the fastest that gives the same results."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Slices that go through the network at once.")] = None,
    workers: WorkersOption = None,
    timeout: TimeoutOption = 600,
    format: Annotated[str, typer.Option(help="Tables as csv, jsonl, parquet, or several: csv,parquet.")] = "csv",
    accept: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Warn of this finding instead of refusing; repeatable.")
    ] = None,
    all_series: Annotated[bool, typer.Option("--all-series", help="Every series of a study, not the best.")] = False,
    one_study_per_folder: Annotated[
        bool, typer.Option("--one-study-per-folder", help="Pictures (PNG, JPEG, BMP) of a folder are one study.")
    ] = False,
    shard: Annotated[str, typer.Option(metavar="I/N", help="Of N machines this is number I: its share only.")] = "1/1",
    engine: Annotated[
        EngineName, typer.Option(help="This machine, or the Ray cluster that RAY_ADDRESS names.")
    ] = EngineName.LOCAL,
    report: Annotated[
        bool | None,
        typer.Option("--report/--no-report", help="Pages with pictures; unless given, up to 300 series."),
    ] = None,
    report_templates: Annotated[
        str,
        typer.Option(metavar="FILE", help="Language (en, de) or toml file of the report in words; see docs/words.md."),
    ] = "en",
    masks: Annotated[
        bool,
        typer.Option(
            "--masks", help="A NIfTI mask of the blood for each series, over the scan; the weights must make it."
        ),
    ] = False,
    clinical: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="csv of clinical data by study, for weights that were trained with it."
        ),
    ] = None,
    identify: Annotated[
        bool,
        typer.Option("--identify", help="PatientID, AccessionNumber, StudyDate and SeriesDescription in the results."),
    ] = False,
    dicom_out: Annotated[
        Path | None, typer.Option(help="Folder for DICOM objects of the answers, which name the patient.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Find and check only; no prediction.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on standard output.")] = False,
) -> None:
    """Find every head CT in the inputs and say whether it shows a haemorrhage, and where; or why there is no answer.

    Exit code: 0 when every input was answered or refused with a reason, 1 when some failed, 2 for wrong usage, 3 when
    no input could be used.
    """
    console = Console(stderr=True)
    # Imported late, so that the help answers at once.
    from ichmonai.processes.contexts import prepare_workers
    from ichmonai.processes.late_imports import spare_monai
    from ichmonai.processes.safe_path import is_ours

    if is_ours() and not (bundle or config):
        spare_monai()
    if engine is EngineName.LOCAL and not is_ours():
        prepare_workers()
    from ichmonai.commands.answers import show_answers
    from ichmonai.prediction.engines import make_engine
    from ichmonai.prediction.progress import BatchProgress
    from ichmonai.prediction.report.templates import read_templates
    from ichmonai.prediction.run import REPORTED, BatchOptions, ResultsError, run_batch

    if engine is EngineName.LOCAL and is_ours():
        prepare_workers(here=True)
    try:
        formats, share = output_names(format), _shard(shard)
        more = {"batch_size": batch_size, "runtime": runtime and runtime.value, "accept": accept or None}
        table = {"clinical_path": clinical and str(clinical.absolute())}
        source = bundle_source(bundle, config, settings, device, trust, **more, **table)
        if report is not False:
            formats = (*formats, "html")
        if masks:
            formats = ("masks", *formats)
        reported = math.inf if report else REPORTED
        templates = read_templates(report_templates)
        options = BatchOptions(
            all_series,
            formats,
            share,
            dry_run,
            workers,
            reported,
            identify,
            _objects(dicom_out, templates),
            templates,
            one_study_per_folder,
        )
        run = make_engine(engine.value, workers, timeout, not dry_run)
        stopped = f"The run was stopped; start it again with --out {out}, and it continues there."
        with stoppable(stopped), BatchProgress(console, quiet or as_json) as progress:
            summary = run_batch(inputs, out, source, run, options, progress)
    except InputError as error:
        stop(error, 1 if isinstance(error, ResultsError) else 2)
    if as_json:
        typer.echo(json.dumps(vars(summary)))
    elif not quiet:
        show_answers(console, summary, out)
    if summary.failed:
        raise typer.Exit(1)
    if not summary.usable and share == (1, 1):
        stop(InputError("No input could be used; the table of rejections says why of each."), 3)


def output_names(text: str) -> tuple[str, ...]:
    """The tables that a text such as `csv,parquet` names."""
    from ichmonai.prediction.writers import WRITERS
    from ichmonai.prediction.writers.tables import TableWriter

    known = [name for name, writer in WRITERS.items() if issubclass(writer, TableWriter)]
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(known):
        raise InputError(f"--format {text} is not known; choose from {', '.join(known)}.")
    return names


def _objects(folder: Path | None, templates: "Templates") -> tuple:
    """What makes the writer of DICOM objects; nothing without a folder."""
    if folder is None:
        return ()
    from ichmonai.dicom_results.writer import DicomObjects

    DicomObjects.require()
    return (functools.partial(DicomObjects, folder, templates=templates),)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if not match:
        raise InputError(f"--shard {text} is no I/N; write, for example, --shard 3/8.")
    return int(match[1]), int(match[2])
