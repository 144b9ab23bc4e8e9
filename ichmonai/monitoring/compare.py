"""Whether what is found now differs from the reference by more than chance, and by enough to matter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2_contingency, fisher_exact, ks_2samp

from ichmonai.io.findings import IN_WORDS, Code
from ichmonai.monitoring.observed import NAMES, NOT_NAMED, NUMBERS, Observed

MINIMUM = 30
"""Studies on each side below which nothing is said."""
_BINS = 10
_EXPECTED = 5.0
"""Studies that chance must put in a cell for the chi-square test (Cochran 1954); rarer values are taken together."""
_PSI = (0.1, 0.25)
"""Population stability index of a change to look at, and of a large one, as is usual in credit scoring."""
_DIFFERENCE = (0.02, 0.05)
"""The same of a share."""
_LEVEL = (0.05, 0.01)
"""The same of p after Holm's correction for the number of checks."""


class State(str, Enum):
    """What a check comes to."""

    ALARM = "alarm"
    LOOK = "look"
    SAME = "no change seen"
    FEW = "too few to say"


@dataclass(frozen=True)
class Check:
    """One property, in the reference and now.

    Attributes:
        name: for machines.
        title: for people.
        cells: label -> share in the reference and now.
        studies: with this property, in the reference and now.
        p_value: of the same distribution in both; nan where it was not tested.
        corrected: the same after Holm's correction for all checks.
        effect: population stability index, or difference of the shares.
        interval: 95%, of the difference of two shares; None of other checks.
        medians: of numbers, in the reference and now; None of other checks.
        state: what follows.
    """

    name: str
    title: str
    cells: Mapping[str, tuple[float, float]]
    studies: tuple[int, int]
    p_value: float = math.nan
    corrected: float = math.nan
    effect: float = math.nan
    interval: tuple[float, float] | None = None
    medians: tuple[float, float] | None = None
    state: State = State.FEW


@dataclass(frozen=True)
class Scanner:
    """A scanner, with its studies in the reference and now."""

    name: str
    before: int
    now: int

    @property
    def state(self) -> State:
        """An alarm where it was not in the reference: nobody knows what answers for it are worth."""
        if not self.now or (self.name == NOT_NAMED and self.before):
            return State.SAME
        return State.ALARM if not self.before else State.LOOK if self.before < MINIMUM else State.SAME


def compare(before: Observed, now: Observed) -> list[Check]:
    """Test every property.

    Scans count as independent; with several of one patient, chance makes larger differences than these tests expect.

    Args:
        before: the reference.
        now: what is to be judged.
    """
    checks = [_names(name, title, before.names[name], now.names[name]) for name, title in NAMES.items()]
    checks += [_numbers(name, title, before.numbers[name], now.numbers[name]) for name, title in NUMBERS.items()]
    answers = [sum(one.outcomes.values()) for one in (before, now)]
    for outcome in ("positive", "uncertain"):
        hits = (before.outcomes.get(outcome, 0), now.outcomes.get(outcome, 0))
        if any(hits) or outcome == "positive":
            checks.append(_share(outcome, f"Answered {outcome}", hits, (answers[0], answers[1])))
    for code in sorted(before.codes.keys() | now.codes.keys()):
        hits = (before.codes.get(code, 0), now.codes.get(code, 0))
        words = IN_WORDS[Code(code)] if code in {one.value for one in Code} else code
        checks.append(_share(f"code_{code}", f"Found: {words}", hits, (before.inputs, now.inputs)))
    return _judged(checks)


def scanners(before: Observed, now: Observed) -> list[Scanner]:
    """Every scanner of the reference and of now: those that were not in it first."""
    old, new = before.names["scanner"], now.names["scanner"]
    found = [Scanner(name, old.get(name, 0), new.get(name, 0)) for name in old.keys() | new.keys()]
    return sorted(found, key=lambda one: (list(State).index(one.state), -one.now, one.name))


def stability_index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Population stability index of two rows of counts; half a study is added to each cell, so that none is empty.

    Example:
        >>> round(stability_index(np.array([50, 50]), np.array([80, 20])), 2)
        0.41
    """
    p, q = ((one + 0.5) / (one + 0.5).sum() for one in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


def _names(name: str, title: str, before: Mapping[str, int], now: Mapping[str, int]) -> Check:
    labels = sorted(before.keys() | now.keys(), key=lambda one: (-before.get(one, 0), -now.get(one, 0), one))
    counts = np.array([[some.get(one, 0) for one in labels] for some in (before, now)], dtype=np.int64)
    counts = counts.reshape(2, len(labels))
    check = Check(name, title, _cells(labels, counts), _studies(counts))
    if min(check.studies) < MINIMUM:
        return check
    merged = _merged(counts)
    p = chi2_contingency(merged, correction=False).pvalue if merged.shape[1] > 1 else 1.0
    return replace(check, p_value=float(p), effect=stability_index(*merged))


def _merged(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rare columns as one."""
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < _EXPECTED
    kept, rest = counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)
    return np.hstack([kept, rest]) if rest.sum() else kept


def _numbers(name: str, title: str, before: Sequence[float], now: Sequence[float]) -> Check:
    a, b = np.asarray(before), np.asarray(now)
    if min(len(a), len(b)) < MINIMUM:
        return Check(name, title, {}, (len(a), len(b)))
    edges = np.unique(np.quantile(a, np.linspace(0, 1, _BINS + 1)[1:-1]))
    labels = [f"≤ {edges[0]:.3g}", *(f"≤ {edge:.3g}" for edge in edges[1:]), f"> {edges[-1]:.3g}"]
    counts = np.array([np.bincount(np.searchsorted(edges, one), minlength=len(labels)) for one in (a, b)])
    used = np.flatnonzero(counts.any(axis=0))  # the highest of few values has none above it
    labels, counts = [labels[i] for i in used], counts[:, used]
    p, medians = float(ks_2samp(a, b).pvalue), (float(np.median(a)), float(np.median(b)))
    effect = stability_index(*counts)
    return Check(name, title, _cells(labels, counts), (len(a), len(b)), p, effect=effect, medians=medians)


def _share(name: str, title: str, hits: tuple[int, int], of: tuple[int, int]) -> Check:
    shares = [k / n if n else math.nan for k, n in zip(hits, of, strict=True)]
    check = Check(name, title, {title: (shares[0], shares[1])}, of)
    if min(of) < MINIMUM:
        return check
    p = fisher_exact([[k, n - k] for k, n in zip(hits, of, strict=True)])[1]
    effect = shares[1] - shares[0]
    return replace(check, p_value=float(p), effect=effect, interval=difference_interval(hits, of))


def difference_interval(hits: tuple[int, int], of: tuple[int, int]) -> tuple[float, float]:
    """95% interval of the second share less the first (Newcombe 1998, method 10).

    Example:
        >>> [round(end, 4) for end in difference_interval((48, 56), (80, 70))]
        [0.0524, 0.3339]
    """
    p, q = (k / n for k, n in zip(hits, of, strict=True))
    (l1, u1), (l2, u2) = (tuple(binomtest(k, n).proportion_ci(method="wilson")) for k, n in zip(hits, of, strict=True))
    return q - p - math.hypot(q - l2, u1 - p), q - p + math.hypot(u2 - q, p - l1)


def _judged(checks: Sequence[Check]) -> list[Check]:
    """The checks with Holm's correction and their states."""
    tested = sorted((one for one in checks if not math.isnan(one.p_value)), key=lambda one: one.p_value)
    corrected, last = {}, 0.0
    for i, one in enumerate(tested):
        last = max(last, min(one.p_value * (len(tested) - i), 1.0))
        corrected[one.name] = last
    return [_with_state(one, corrected[one.name]) if one.name in corrected else one for one in checks]


def _with_state(check: Check, corrected: float) -> Check:
    limits = _DIFFERENCE if check.interval else _PSI
    state = State.SAME
    if corrected < _LEVEL[0] and abs(check.effect) >= limits[0]:
        state = State.ALARM if corrected < _LEVEL[1] and abs(check.effect) >= limits[1] else State.LOOK
    return replace(check, corrected=corrected, state=state)


def _cells(labels: Sequence[str], counts: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
    totals = counts.sum(axis=1)
    shares = [
        row / total if total else np.full(len(labels), math.nan) for row, total in zip(counts, totals, strict=True)
    ]
    return {label: (float(p), float(q)) for label, p, q in zip(labels, *shares, strict=True)}


def _studies(counts: NDArray[np.int64]) -> tuple[int, int]:
    before, now = counts.sum(axis=1)
    return int(before), int(now)
