"""The probability of a haemorrhage from slice to slice, as an SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ichmonai.prediction.rows import probability_of

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT = 34, 8
"""Margins; between them each slice has the same room."""
_TOP, _BOTTOM = 10, 24


def curve(slices: Sequence[Mapping[str, Any]], leading: int, threshold: float | None = None) -> str:
    """Draw the probability of each slice, inferior at the left.

    Slices that show no brain leave a gap. Colours come from the page's style.

    Args:
        slices: rows of the table of slices.
        leading: index of the slice that is marked.
        threshold: probability above which a study is positive, for a dashed line.

    Returns:
        SVG made of numbers alone.
    """
    values = [float(row["p_ich"]) if row.get("p_ich", "") not in ("", "nan") else None for row in slices]
    parts = [f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="probability by slice">']
    for level in (0.0, 0.5, 1.0):
        y = _y(level)
        parts += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>',
        ]
    if threshold is not None:
        y = _y(threshold)
        parts += [f'<line class="threshold" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']
    step = max(len(values) // 10, 1)
    for i in range(0, len(values), step):
        parts += [f'<text x="{_x(i, len(values)):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{i + 1}</text>']
    for run in _runs(values):
        points = " ".join(f"{_x(i, len(values)):.1f},{_y(p):.1f}" for i, p in run)
        parts += [f'<polyline class="line" points="{points}"/>']
        parts += [
            f'<circle class="{"mark" if i == leading else "dot"}" cx="{_x(i, len(values)):.1f}" cy="{_y(p):.1f}" '
            f'r="{5 if i == leading else 2.5}"><title>slice {i + 1}: {escape(probability_of(p))}</title></circle>'
            for i, p in run
        ]
    return "".join([*parts, "</svg>"])


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Neighbouring slices that have a probability."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((i, value))
    return [run for run in runs if run]


def _x(index: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / count


def _y(probability: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - probability)
