"""The command ``ichmonai benchmark``."""

from enum import Enum
from pathlib import Path
from typing import Annotated

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


class SetName(str, Enum):
    """Public sets."""

    CT_ICH = "ct-ich"
    CQ500 = "cq500"
    RSNA2019 = "rsna2019"
    BHSD = "bhsd"


def benchmark(
    name: Annotated[SetName, typer.Argument(metavar="SET", help="ct-ich, cq500, rsna2019 or bhsd.")],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder of the set, as it is published.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables and numbers; a run that was stopped continues in it.")],
    bundle: BundleOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    trust: TrustOption = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    timeout: TimeoutOption = 600,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Warn of this finding instead of refusing; repeatable.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the patients for the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same intervals.")] = 0,
) -> None:
    """Predict a public set and say what the weights are worth on it, beside what others published.

    Exit code: 0 when every input was answered or refused with a reason, 1 when some failed, 2 for wrong usage or a
    layout that is not the published one, 3 when no input could be used.
    """
    console = Console(stderr=True)
    # Imported late, so that the help answers at once.
    from ichmonai.processes.contexts import prepare_workers

    prepare_workers()
    from ichmonai.benchmarks import READERS, run_benchmark
    from ichmonai.prediction.engines import make_engine
    from ichmonai.prediction.progress import BatchProgress
    from ichmonai.prediction.run import BatchOptions, ResultsError, run_batch
    from ichmonai.private_files import make_folder

    try:
        source = bundle_source(bundle, config, settings, device, trust, accept=accept or None)
        make_folder(out)
        public = READERS[name.value](folder, out)
        run = make_engine("local", workers, timeout, True)
        stopped = f"The run was stopped; start it again with --out {out}, and it continues there."
        masked = public.mask_kinds is not None and source.open().setting("description").makes_masks
        options = BatchOptions(formats=("masks", "csv") if masked else ("csv",), workers=workers)
        with stoppable(stopped), BatchProgress(console, False) as progress:
            summary = run_batch(public.inputs, out, source, run, options, progress)
        if not summary.usable:
            stop(InputError("No input could be used; the table of rejections says why of each."), 3)
        found = run_benchmark(public, out, resamples, seed)
    except InputError as error:
        stop(error, 1 if isinstance(error, ResultsError) else 2)
    except OSError as error:
        stop(InputError(f"Cannot write to {out} ({error.strerror}); choose another folder."), 1)
    typer.echo(found.page)
    console.print(f"Numbers: {out / 'benchmark.csv'}, table: {out / 'benchmark.md'}", highlight=False, markup=False)
    if summary.failed:
        raise typer.Exit(1)
