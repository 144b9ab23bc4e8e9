"""Figures of the audit report."""

import numpy as np
from matplotlib.figure import Figure

from ichmonai.audit.probes import LeakageProbe, ShortcutProbe
from ichmonai.figures import BLUE, VERMILION

_WITH, _WITHOUT = VERMILION, BLUE


def features_figure(probe: ShortcutProbe) -> Figure:
    """AUC of each feature alone, and of all together with its interval."""
    features = sorted(probe.features, key=lambda feature: feature.auc)
    figure = Figure(figsize=(6.4, 1.2 + 0.24 * len(features)), layout="constrained")
    axes = figure.subplots()
    axes.barh([feature.name for feature in features], [feature.auc - 0.5 for feature in features], left=0.5)
    for bar in axes.patches:
        bar.set_facecolor(_WITHOUT)
    axes.axvline(probe.auc.value, color=_WITH, label=f"all together: {probe.auc.value:.3f}")
    axes.axvspan(probe.auc.low, probe.auc.high, color=_WITH, alpha=0.2, linewidth=0)
    axes.set(xlim=(0.5, 1.0), ylim=(-0.6, len(features) - 0.4), xlabel=f"AUC for {probe.label}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def leading_figure(probe: ShortcutProbe) -> Figure:
    """How the feature that tells the label best is spread with and without it."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    known = np.isfinite(probe.values)
    low, high = np.percentile(probe.values[known], [0.5, 99.5])
    bins = np.linspace(low, high if high > low else low + 1, 41)
    for name, rows, colour in (("without", ~probe.truth, _WITHOUT), (f"with {probe.label}", probe.truth, _WITH)):
        values = probe.values[known & rows]
        axes.hist(values.clip(bins[0], bins[-1]), bins.tolist(), density=True, alpha=0.6, color=colour, label=name)
    axes.set(xlabel=probe.leading_name, yticks=[], title="The feature that tells most by itself")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def neighbours_figure(probes: list[LeakageProbe]) -> Figure:
    """Accuracy of the nearest neighbour, of all images and of other patients', beside the commonest answer."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(probes))
    for offset, name, colour, found in (
        (-0.18, "of all other images", _WITH, [probe.image_split for probe in probes]),
        (0.18, "of other patients", _WITHOUT, [probe.patient_split for probe in probes]),
    ):
        values = np.array([[one.value, one.value - one.low, one.high - one.value] for one in found]).T
        axes.bar(places + offset, values[0], 0.34, yerr=values[1:].clip(0), color=colour, capsize=3, label=name)
    majority = [probe.majority for probe in probes]
    axes.hlines(majority, places - 0.4, places + 0.4, "black", "--", label="always the commonest")
    axes.set(xticks=places, xticklabels=[probe.label for probe in probes], ylim=(0, 1.02), ylabel="accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize="small")
    return figure
