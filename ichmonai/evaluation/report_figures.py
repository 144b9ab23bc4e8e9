"""Figures of the evaluation report."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from ichmonai.evaluation.cases import Cases
from ichmonai.evaluation.evaluation import HeadResult, LevelResult
from ichmonai.evaluation.mask_metrics import MaskResult
from ichmonai.evaluation.reliability import reliability_curve, top_label
from ichmonai.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK)
_BEFORE, _AFTER, _REFERENCE = VERMILION, BLUE, GREY
_POINTS = 1000


def curves_figure(level: LevelResult) -> Figure:
    """ROC and precision-recall curves of every label, with their AUC and average precision."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    roc, recall = figure.subplots(1, 2)
    for colour, head in zip(_COLOURS * 9, level.cases.labels, strict=False):
        truth, score = known(level.cases, head)
        if len(np.unique(truth)) < 2:
            continue
        metrics = level.heads[head].metrics
        x, y, _ = roc_curve(truth, score)
        roc.plot(*_thinned(x, y), color=colour, label=f"{head}: AUC {metrics['auc'].value:.3f}")
        y, x, _ = precision_recall_curve(truth, score)
        label = f"{head}: average precision {metrics['average_precision'].value:.3f}"
        recall.plot(*_thinned(x, y), color=colour, drawstyle="steps-post", label=label)
        recall.axhline(float(truth.mean()), color=colour, linestyle=":", linewidth=1)
    roc.plot([0, 1], [0, 1], ":", color=_REFERENCE, linewidth=1)
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC")
    recall.set(xlabel="sensitivity", ylabel="PPV", title="Precision and recall (dotted: prevalence)")
    for axes in (roc, recall):
        _square(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, loc="lower right" if axes is roc else "lower left")
    return figure


def reliability_figure(level: LevelResult, head: str) -> Figure:
    """Observed frequency by mean probability in the bins of the ECE, above a histogram of the probabilities.

    For `location` it is the accuracy by the probability of the most probable location.
    """
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    axes, histogram = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    axes.plot([0, 1], [0, 1], ":", color=_REFERENCE, linewidth=1)
    versions = [("before", level.cases, _BEFORE)]
    if level.calibrated is not None:
        versions.append(("after", level.calibrated, _AFTER))
    for name, cases, colour in versions:
        truth, score = known(cases, head)
        if head == "location":
            truth, score = top_label(truth, score)
        if not len(truth):
            continue
        mean, frequency, _ = reliability_curve(truth, score)
        ece = level.heads[head].calibration[name].get("ece")
        label = f"{name} temperature: ECE {ece.value:.3f}" if ece else name
        axes.plot(mean, frequency, "o-", color=colour, markersize=4, label=label)
        histogram.hist(score, bins=40, range=(0, 1), histtype="step", color=colour)
    what = "accuracy" if head == "location" else "observed frequency"
    figure.suptitle(f"Reliability, {head}")
    axes.set_ylabel(what)
    histogram.set(xlabel="probability of the leading location" if head == "location" else "probability", ylabel="cases")
    histogram.spines[["top", "right"]].set_visible(False)
    _square(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))  # above: no point is hidden
    return figure


def decision_figure(head: str, result: HeadResult) -> Figure:
    """Net benefit by threshold probability, against acting on all and on none."""
    curve = result.decision_curve
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve["threshold"], curve["treat_all"], "--", color=_BEFORE, label="act on all")
    axes.axhline(0, color=_REFERENCE, linewidth=1, label="act on none")
    axes.plot(curve["threshold"], curve["model"], color=_AFTER, label="act on the model")
    top = max(float(curve["model"].max(initial=0)), float(curve["treat_all"].max(initial=0)), 0.05)
    axes.set(xlim=(0, 1), ylim=(-0.25 * top, 1.1 * top))
    axes.set(xlabel="threshold probability", ylabel="net benefit", title=f"Decision curve, {head}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def bland_altman_figure(result: MaskResult) -> Figure:
    """Predicted less true volume by their mean, a point a study, of any blood and of each kind."""
    heads = list(result.heads)
    columns = min(len(heads), 3)
    rows = -(-len(heads) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.1 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, head in zip(panels, heads, strict=False):
        pairs = np.array([(row["true_ml"], row["predicted_ml"]) for row in result.rows if row["head"] == head])
        axes.plot(pairs.mean(axis=1), pairs[:, 1] - pairs[:, 0], "o", color=BLUE, markersize=4, alpha=0.6)
        metrics = result.heads[head].metrics
        axes.axhline(0, color=_REFERENCE, linewidth=1)
        axes.axhline(metrics["volume_bias_ml"].value, color=VERMILION)
        for name in ("agreement_low_ml", "agreement_high_ml"):
            if np.isfinite(metrics[name].value):
                axes.axhline(metrics[name].value, color=VERMILION, linestyle="--", linewidth=1)
        axes.set(title="any blood" if head == "any" else head, xlabel="mean of both, mL", ylabel="predicted - true, mL")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(heads) :]:
        axes.set_visible(False)
    return figure


def known(cases: Cases, head: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Truth and scores of the cases whose truth is known."""
    rows = cases.truth[head] >= 0
    return cases.truth[head][rows], cases.scores[head][rows]


def _thinned(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """A curve of a hundred thousand corners as one of a thousand, which looks the same."""
    rows = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[rows], y[rows]


def _square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
