"""The command ``ichmonai evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ichmonai.commands.stop import stop

if TYPE_CHECKING:
    from ichmonai.evaluation import Evaluation

_SHOWN = ("sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "auc", "average_precision")

_OF_MASKS = ("dice", "surface_mm", "volume_bias_ml", "relative_error")


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="csv of predictions: p_ich and locations, or p_<label>.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for report.html, metrics.json and metrics.csv.")],
    truth: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="csv of the truth, unless predictions hold it (masks are judged where both have a column mask), or "
            "a folder of true masks, NIfTI named as the scans.",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Predictions of other patients to fit temperature and thresholds."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="calibration.json fitted before, instead of --validation."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Predictions of another model for the same cases.")
    ] = None,
    subgroup: Annotated[list[str] | None, typer.Option(help="Column to divide the cases by; may be repeated.")] = None,
    binary: Annotated[bool, typer.Option("--binary", help="True masks say blood, and not its kind.")] = False,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the patients for the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same intervals.")] = 0,
    gallery: Annotated[int, typer.Option(min=0, help="False positives and false negatives to show.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json instead of a table.")] = False,
) -> None:
    """Say what predictions are worth: metrics with intervals by patient, calibration, subgroups, failures."""
    if validation and calibration:
        raise typer.BadParameter("give either --validation or --calibration", param_hint="--calibration")

    from ichmonai.errors import InputError
    from ichmonai.evaluation import evaluate as run
    from ichmonai.evaluation import write_evaluation

    try:
        result = run(
            predictions,
            truth,
            validation=validation,
            calibration=calibration,
            compare=compare,
            subgroups=subgroup or (),
            resamples=resamples,
            seed=seed,
            binary_masks=binary,
        )
        write_evaluation(result, out, gallery)
    except InputError as error:
        stop(error, 1)
    except OSError as error:
        stop(InputError(f"Cannot write to {out} ({error.strerror}); choose another folder."), 1)
    if as_json:
        typer.echo((out / "metrics.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(result, out)


def _show(result: "Evaluation", out: Path) -> None:
    from ichmonai.evaluation.report import METRIC_NAMES, format_estimate, format_p
    from ichmonai.notice import NOTICE

    console = Console()
    head = result.finest.cases.labels[0]
    table = Table(title=f"{head}, threshold 0.5, 95% intervals by patient")
    table.add_column("")
    for level, found in result.levels.items():
        one = found.heads[head]
        table.add_column(f"{level}\n{one.n} of {one.patients} patients")
    for name in _SHOWN:
        row = [format_estimate(found.heads[head].metrics[name]) for found in result.levels.values()]
        table.add_row(METRIC_NAMES[name], *row)
    table.add_row(
        "always the commonest answer", *(f"{f.heads[head].baseline_accuracy:.3f}" for f in result.levels.values())
    )
    if "location" in result.finest.heads:
        located = [found.heads["location"].metrics["balanced_accuracy"] for found in result.levels.values()]
        table.add_row("location, balanced accuracy", *map(format_estimate, located))
    compared = [found.heads[head].comparison for found in result.levels.values()]
    if any(compared):
        shown = [f"{c.difference:+.3f} ({format_p(c.p_value)})" if c else "" for c in compared]
        table.add_row("AUC less that of --compare", *shown)
    console.print(table)
    if result.masks:
        masks = Table(title="Masks, 95% intervals by patient")
        masks.add_column("")
        of_masks = result.masks.heads
        for name, mask in of_masks.items():
            masks.add_column(f"{name}\n{mask.bleeding} of {mask.n} studies")
        for name in _OF_MASKS:
            masks.add_row(METRIC_NAMES[name], *(format_estimate(mask.metrics[name]) for mask in of_masks.values()))
        console.print(masks)
    for level, found in result.levels.items():
        if level != "slice":
            console.print(f"[bold]{level}[/bold]: {found.cases.rule}", highlight=False)
    for line in _remarks(result):
        console.print(line, highlight=False)
    console.print(
        f"[bold]Look at[/bold] {out / 'report.html'}; numbers are in metrics.json and metrics.csv", highlight=False
    )
    console.print(NOTICE)


def _remarks(result: "Evaluation") -> list[str]:
    intake = result.intake
    lines = list(intake.notes)
    if intake.predictions_without_truth:
        lines.append(f"{intake.predictions_without_truth} predictions have no truth and were not judged.")
    if intake.truth_without_prediction:
        lines.append(
            f"{intake.truth_without_prediction} rows of the truth have no prediction and are in no number above."
        )
    if result.calibration is None:
        lines.append("Operating points and temperature: not fitted (give --validation or --calibration).")
    elif result.calibration_is_new:
        lines.append("Temperature and thresholds were fitted on validation and are in calibration.json.")
    return lines
