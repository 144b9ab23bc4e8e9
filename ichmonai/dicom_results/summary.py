"""The page that sums up an answer."""

import textwrap
from collections.abc import Iterator

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ichmonai import __version__
from ichmonai.classes import LOCATIONS
from ichmonai.dicom_results.case import Case, number
from ichmonai.dicom_results.key_slice import outlined
from ichmonai.io.findings import in_words
from ichmonai.notice import NOTICE
from ichmonai.prediction.rows import kinds_of, probability_of
from ichmonai.study_rule import RULE


def draw_summary(case: Case, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw the page: the answer, the leading slice, the probability from slice to slice, and where it comes from.

    It names no patient: the header does.

    Args:
        case: the answer.
        view: grey values (Rows, Columns) of the leading slice.

    Returns:
        RGB (1100, 850, 3).
    """
    figure = Figure(figsize=(8.5, 11), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    outcome = str(case.study["outcome"]).replace("_", " ")
    figure.text(0.07, 0.945, f"Haemorrhage: {outcome}", fontsize=22, weight="bold")
    figure.text(0.07, 0.92, NOTICE, fontsize=13, color="firebrick", weight="bold")
    figure.text(0.07, 0.895, "\n".join(_facts(case)), fontsize=12, va="top", linespacing=1.5)
    picture = figure.add_axes((0.5, 0.5, 0.43, 0.36))
    picture.imshow(outlined(view, None if case.mask is None else case.mask[case.leading], case.spacing))
    picture.set_title(f"slice {case.leading + 1} of {len(case.rows)}, 0 to 80 HU", fontsize=11)
    picture.set_axis_off()
    curve = figure.add_axes((0.1, 0.24, 0.83, 0.2))
    known = [(i + 1, p) for i, row in enumerate(case.rows) if (p := number(row.get("p_ich"))) is not None]
    curve.plot(*zip(*known, strict=True), "o-", markersize=3, color="black", linewidth=1)
    curve.axhline(case.device.threshold, color="firebrick", linestyle="--", linewidth=1)
    curve.axvline(case.leading + 1, color="grey", linestyle=":")
    curve.set(ylim=(-0.03, 1.03), xlim=(0.5, len(case.rows) + 0.5), xlabel="slice, from below")
    curve.set_ylabel("probability of a haemorrhage")
    figure.text(0.07, 0.16, "\n".join(_origin(case)), fontsize=8, va="top", linespacing=1.4)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _facts(case: Case) -> Iterator[str]:
    p = number(case.study.get("p_ich"))
    yield "" if p is None else f"probability {probability_of(p)}"
    if case.study.get("location"):
        yield "where, if there is one:"
        yield from (f"   {one} {probability_of(case.study.get(f'p_{one}'))}" for one in LOCATIONS)
    if kinds := kinds_of(case.study):
        yield "kinds:"
        yield from (f"   {kind} {probability_of(value)}" for kind, value in kinds.items())
    if (volume := number(case.study.get("volume_ml"))) is not None:
        low, high = (number(case.study.get(f"volume_{one}_ml")) for one in ("low", "high"))
        yield f"blood: {volume:.1f} mL ({low:.1f} to {high:.1f})"
    if warnings := in_words(str(case.study.get("flags") or "")):
        yield "about the images:"
        yield from (f"   {one}" for one in warnings)


def _origin(case: Case) -> Iterator[str]:
    yield f"ichmonai {__version__}; computed, and looked at by nobody"
    yield from textwrap.wrap(f"Probability of the study: {RULE}.", 130)
    yield from case.device.parameters
