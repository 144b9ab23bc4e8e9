"""In which order a reader is given the studies."""

from collections.abc import Callable, Mapping
from typing import Any

from ichmonai.prediction.rows import worklist_rank

SCORE = "ich"
"""Entry of MONAI Label's record of an image: `outcome`, `p_ich`, and the digest of the `weights` they are of."""

Rank = Callable[[Mapping[str, Any]], float]
"""Score of a study, empty where it has none -> its place; ascending."""


def most_likely_bleeding(score: Mapping[str, Any]) -> float:
    """Positives first, the most probable at the top; then what has no score; negatives last. See `worklist_rank`."""
    return worklist_rank(score)


def most_uncertain(score: Mapping[str, Any]) -> float:
    """What the network knows least of first: no score, then a probability near 0.5."""
    return 0.0 if score.get("p_ich") is None else abs(float(score["p_ich"]) - 0.5)


def next_study(images: Mapping[str, Mapping[str, Any]], strategy: str, rank: Rank) -> str | None:
    """The study to read next.

    Those that this strategy has not served yet come first, in the order of their rank; then the others, those served
    longest ago first: a reader who passes over a study goes down the list, and what is new at its top is not missed.

    Args:
        images: name -> MONAI Label's record of each study that nobody has labelled yet: `SCORE`, and `strategy` with
            the time (`ts`, in seconds) at which each strategy served it.
        strategy: name of this strategy.
        rank: order of the scores.

    Returns:
        The name; None where there are none.
    """

    def place(name: str) -> tuple[int, float, str]:
        served = images[name].get("strategy", {}).get(strategy, {}).get("ts", 0)
        return served, rank(images[name].get(SCORE) or {}), name

    return min(images, key=place, default=None)
