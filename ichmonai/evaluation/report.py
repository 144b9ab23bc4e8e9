"""The evaluation as one HTML page that needs no network."""

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from ichmonai import __version__
from ichmonai.evaluation.evaluation import Evaluation
from ichmonai.evaluation.gallery import worst_failures
from ichmonai.evaluation.intervals import Estimate
from ichmonai.evaluation.mask_metrics import ENOUGH_ML
from ichmonai.evaluation.operating import PREVALENCES
from ichmonai.evaluation.reliability import BINS
from ichmonai.evaluation.report_figures import bland_altman_figure, curves_figure, decision_figure, reliability_figure
from ichmonai.evaluation.subgroups import FEWEST
from ichmonai.figures import figure_uri
from ichmonai.notice import NOTICE

METRIC_NAMES = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "no_prediction": "Without a prediction",
    "missed": "Called negative, of all with it",
    "false_alarms": "Called positive, of all without",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "ece": "ECE",
    "calibration_slope": "Slope",
    "calibration_intercept": "Intercept",
    "dice": "Dice, mean",
    "surface_mm": "Distance of the surfaces, mm, mean",
    "hausdorff95_mm": "95th percentile of it, mm, mean",
    "volume_bias_ml": "Predicted less true volume, mL, mean",
    "agreement_low_ml": "lower limit of agreement",
    "agreement_high_ml": "upper limit of agreement",
    "volume_error_ml": "Size of the volume's error, mL, median",
    "relative_error": "the same over the true volume",
}
"""What a reader calls each metric."""


def render_report(evaluation: Evaluation, gallery: int = 12) -> str:
    """Render the report.

    Args:
        evaluation: result of `evaluate`.
        gallery: false positives and false negatives to show.

    Returns:
        HTML with its figures inside. It names files and studies, and no patient.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"estimate": _unbroken, "number": format_number, "p": format_p, "threshold": _threshold}
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        figures={level: _figures(evaluation, level) for level in evaluation.levels},
        failures=worst_failures(evaluation, gallery),
        mask_figure=figure_uri(bland_altman_figure(evaluation.masks)) if evaluation.masks else "",
        enough_ml=ENOUGH_ML,
        names=METRIC_NAMES,
        prevalences=[round(100 * p) for p in PREVALENCES],
        notice=NOTICE,
        version=__version__,
        bins=BINS,
        fewest=FEWEST,
    )


def format_estimate(one: Estimate | None) -> str:
    """A metric with its interval, in three digits."""
    if one is None:
        return "too few"
    if math.isnan(one.value):
        return "undefined"
    if math.isnan(one.low):
        return f"{one.value:.3f} (no interval)"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def format_number(value: float) -> str:
    """A number in three digits."""
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def format_p(p: float) -> str:
    """A p-value in three digits."""
    return "p undefined" if math.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _unbroken(one: Estimate | None) -> str:
    """A metric whose line breaks before its interval at most."""
    value, space, between = format_estimate(one).partition(" (")
    return value + space + between.replace(" ", "\N{NO-BREAK SPACE}")


def _threshold(value: float) -> str:
    return f"{value:.4g}"


def _figures(evaluation: Evaluation, level: str) -> dict[str, Any]:
    result = evaluation.levels[level]
    main = result.cases.labels[0]
    return {
        "curves": figure_uri(curves_figure(result)),
        "reliability": {
            head: figure_uri(reliability_figure(result, head)) for head, one in result.heads.items() if one.n
        },
        "decision": figure_uri(decision_figure(main, result.heads[main])),
    }
