"""AUC and average precision of many resamples at once."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 18
"""Numbers held at once: memory does not grow with the resamples, and the processor's cache holds them."""


class Ranking:
    """AUC and average precision for any weights of the patients, without a loop over resamples or cases.

    The cases are sorted once. A resample then weighs them, and one cumulative sum gives the weight of negatives below
    each positive, which is all that both metrics need. Ties count by half in the AUC (Mann and Whitney), and are one
    step of the curve in the average precision, as in scikit-learn.

    Args:
        positive: (N,) bool.
        score: (N,), the higher the more positive.
        patient: (N,) number of each case's patient.
    """

    def __init__(self, positive: NDArray[np.bool_], score: NDArray[np.floating], patient: NDArray[np.integer]) -> None:
        order = np.argsort(score, kind="stable")
        positive, score, patient = positive[order], score[order], patient[order]
        of_positives, of_negatives = score[positive], score[~positive]
        self.positives, self.negatives = patient[positive], patient[~positive]
        self.below = np.searchsorted(of_negatives, of_positives, side="left")
        self.not_above = np.searchsorted(of_negatives, of_positives, side="right")
        self.positives_below = np.searchsorted(of_positives, of_positives, side="left")

    def __call__(self, weights: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return AUC and average precision (B,) for weights (B, P); nan where a class has no weight."""
        step = max(_BLOCK // max(len(self.positives) + len(self.negatives), 1), 1)
        parts = [self._block(weights[start : start + step]) for start in range(0, len(weights), step)]
        auc, precision = (np.concatenate(values) for values in zip(*parts, strict=True))
        return auc, precision

    def _block(self, weights: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        positives = weights.take(self.positives, axis=1)
        positive_sum, negative_sum = _cumulative(positives), _cumulative(weights.take(self.negatives, axis=1))
        total, total_negative = positive_sum[:, -1], negative_sum[:, -1]
        below = negative_sum.take(self.below, axis=1)
        pairs = np.einsum("bi,bi->b", positives, below)
        if not np.array_equal(self.below, self.not_above):
            pairs = (pairs + np.einsum("bi,bi->b", positives, negative_sum.take(self.not_above, axis=1))) / 2
        true_positive = total[:, None] - positive_sum.take(self.positives_below, axis=1)
        false_positive = np.subtract(total_negative[:, None], below, out=below)
        called = np.add(false_positive, true_positive, out=false_positive)
        # Where nothing is called positive the positive itself has no weight.
        precision = np.divide(true_positive, called, out=np.zeros_like(called), where=called > 0)
        with np.errstate(invalid="ignore"):
            auc = pairs / (total * total_negative)
            average_precision = np.einsum("bi,bi->b", positives, precision) / total
        return auc, average_precision


def _cumulative(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weight of the first 0, 1, ... N cases, (B, N + 1)."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
