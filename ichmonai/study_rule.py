"""From the slices of a series to the series: the one rule, of prediction and of evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

RULE = (
    "the highest probability that two neighbouring slices of a series both reach (of slices that overlap: that a "
    "slice, the next one that it does not overlap, and all between them reach); location: mean over the slices, "
    "weighted by the square of their ICH probability"
)
"""`highest_of_neighbours` and `mean_location` in words."""
MAX_APART = 100
"""A slice overlaps no more others than this: scanners are not finer than 0.2 mm, and slices are not thicker than 10."""

Real = TypeVar("Real", bound=np.floating[Any])

_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class StudyDecision:
    """What is said of a study by its probabilities.

    Attributes:
        threshold: it is positive where the probability of a haemorrhage is higher.
        negative_up_to: it is negative up to this probability; what lies between the two gets no prediction.
        kinds: kind -> the probability above which a positive study shows it; 0.5 where a kind is absent.
    """

    threshold: float = 0.5
    negative_up_to: float = 0.5
    kinds: Mapping[str, float] = field(default_factory=dict)

    @property
    def thresholds(self) -> dict[str, float]:
        """`threshold`, and `negative_up_to` where some studies lie between the two."""
        zone = {"negative_up_to": float(self.negative_up_to)} if self.negative_up_to < self.threshold else {}
        return {"threshold": float(self.threshold), **zone}

    def outcome(self, probability: float) -> str:
        """`positive`, `negative` or `no_prediction`; the last of nan, too."""
        if probability > self.threshold:
            return "positive"
        return "negative" if probability <= self.negative_up_to else "no_prediction"

    def shown(self, probabilities: Mapping[str, float]) -> list[str]:
        """The kinds that a positive study shows, in the order given."""
        return [kind for kind, p in probabilities.items() if p > self.kinds.get(kind, 0.5)]


def highest_of_neighbours(
    score: NDArray[Real], first: NDArray[np.integer], apart: NDArray[np.integer]
) -> NDArray[Real]:
    """The probability of each series: the highest that two neighbouring slices both reach.

    No single noisy slice decides; a series of one slice has that slice's. Of slices that overlap, it is the highest
    that a slice, the next one that it does not overlap, and all between them reach; where a series has fewer slices,
    the lowest of all. nan stays nan.

    Args:
        score: probabilities (N,) of a haemorrhage, series after series, each in anatomical order.
        first: (G,) ascending, index of the first slice of each series; the first is 0.
        apart: (G,) how many slices further the next one is that a slice does not overlap, from 1.

    Returns:
        (G,), of the type of `score`.

    Example:
        >>> highest_of_neighbours(np.array([0.1, 0.8, 0.9, 0.6]), np.array([0, 3]), np.array([1, 1])).tolist()
        [0.8, 0.6]
    """
    length = np.diff(first, append=len(score))
    reach = np.repeat(np.minimum(apart, length - 1), length)  # of each slice, how many others count with it
    left = np.repeat(first + length, length) - np.arange(len(score)) - 1  # and how many follow it
    lowest = np.where(left >= reach, score, -np.inf)  # windows do not end beyond their series
    for step in range(1, int(reach.max(initial=0)) + 1):
        at = np.flatnonzero((reach >= step) & (left >= reach))
        lowest[at] = np.minimum(lowest[at], score[at + step])
    return np.maximum.reduceat(lowest, first)


def mean_location(
    ich: NDArray[np.floating], location: NDArray[np.floating], first: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The location of each series: the mean over its slices, weighted by the square of their ICH probability.

    Slices without a haemorrhage have no location, and are many. Where no slice shows any, all count alike.

    Args:
        ich: probabilities (N,), series after series.
        location: probabilities (N, K) of each place, if there is a haemorrhage.
        first: (G,) ascending, index of the first slice of each series; the first is 0.

    Returns:
        (G, K), rows adding up to 1.
    """
    weight = np.square(np.maximum(ich.astype(np.float64), _EPS))[:, None]
    return np.add.reduceat(location * weight, first) / np.add.reduceat(weight, first)
