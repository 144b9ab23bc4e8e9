"""The command ``ichmonai crossval``."""

from pathlib import Path
from typing import Annotated

import typer

from ichmonai.commands.bundle_options import config_file, setting
from ichmonai.commands.stop import stop, stoppable


def crossval(
    data: Annotated[Path, typer.Argument(exists=True, help="Dataset, as `dataset_dir` of a training.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the folds and of the pooled results.")],
    folds: Annotated[int, typer.Option(min=2, help="Parts that the patients are divided into.")] = 5,
    fold: Annotated[
        int | None, typer.Option(min=1, help="This fold alone, without pooling: several can run at once.")
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of each fold's training patients who choose the epoch.")
    ] = 0.15,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and of each training.")] = 0,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the patients for the intervals.")] = 2000,
    config: Annotated[
        list[str] | None,
        typer.Option(help="Config of the training: train (the default), dtvit, or a file; repeatable. It is code."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of these configs, a plain value; repeatable."),
    ] = None,
) -> None:
    """Train and test in folds, so that every patient is tested once, by a network that has not seen them.

    Leaves predictions.csv, report.html and metrics of all patients, folds.csv and crossval.md with each fold beside
    them, and the folds. The same command goes on after an interruption: evaluated folds are kept, and a training
    continues after its last whole epoch.
    """
    if fold is not None and fold > folds:
        raise typer.BadParameter(f"there are {folds} folds", param_hint="--fold")

    from ichmonai.errors import InputError
    from ichmonai.notice import NOTICE
    from ichmonai.paths import bundle_root
    from ichmonai.training.crossval import CrossValidation

    try:
        for name in config or []:
            config_file(bundle_root(), Path(name))
        for pair in settings or []:
            setting(pair)
        chosen = dict(pair.partition("=")[::2] for pair in settings or [])
        run = CrossValidation(data, out, folds, validation, seed, config or ["train"], chosen, typer.echo)
        with stoppable("Stopped; the same command goes on."):
            run.prepare()
            for number in [fold] if fold else range(1, folds + 1):
                run.run_fold(number)
            if fold is None:
                run.pool(resamples)
    except InputError as error:
        stop(error, 1)
    except OSError as error:
        stop(InputError(f"Cannot write to {out} ({error.strerror}); choose another folder."), 1)
    if fold is None:
        typer.echo(f"Look at {out / 'crossval.md'} and {out / 'report.html'}.")
    typer.echo(NOTICE)
