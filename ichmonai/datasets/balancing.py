"""Class balancing of the training split."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ichmonai.classes import LOCATIONS, RSNA_LABELS
from ichmonai.datasets.item import CLASS_NAMES, DatasetError, Item, class_names, has_rsna_labels

PAPER_FACTORS = {"normal": 3, "deep": 1, "lobar": 3, "subtentorial": 12}
"""How often DTViT repeats the slices of each class (paper, section Data augmentation; counts of Table 1)."""


def replicated_indices(items: Sequence[Item], factors: Mapping[str, int] = PAPER_FACTORS) -> np.ndarray:
    """Indices of the training split with each slice repeated by the factor of its class, as DTViT does.

    Args:
        items: training split of N slices; never the whole dataset, or copies of a test slice are trained on.
        factors: repetitions by class name; a class that is not named is kept once. Of the classes of a slice that has
            several the highest counts.

    Returns:
        int64 (M,), the indices 0..N-1 in order, each as often as its class's factor says.

    Raises:
        DatasetError: when a factor is of no class or not a whole number of 0 or more.
    """
    for name, factor in factors.items():
        if name not in CLASS_NAMES or not isinstance(factor, int) or factor < 0:
            raise DatasetError(
                f"The replication factor {name}: {factor} is not of one of {', '.join(CLASS_NAMES)} and a whole number "
                "of 0 or more; correct it."
            )
    return np.repeat(np.arange(len(items)), [max(factors.get(n, 1) for n in class_names(item)) for item in items])


def balancing_weights(items: Sequence[Item], by_patient: bool = False, others: int | None = None) -> np.ndarray:
    """Sampling weights that make half of the drawn slices normal and share the other half equally among the locations.

    Or among the subtypes, for RSNA's labels; a slice of several has the sum of their weights.

    Args:
        items: training split of N slices.
        by_patient: share what a class has equally among its patients, and only then among their slices: where
            patients have very different numbers of slices, those with many do not stand for the class.
        others: classes that share the other half; default: those of the kind of label.

    Returns:
        float64 (N,), adding up to 1.
    """
    groups = [[(name, item["patient"] if by_patient else "") for name in class_names(item)] for item in items]
    slices = Counter(group for several in groups for group in several)
    patients = Counter(name for name, _ in slices)
    others = others or (len(RSNA_LABELS) - 1 if has_rsna_labels(items[0]) else len(LOCATIONS))
    weight = {
        (name, patient): (0.5 if name == "normal" else 0.5 / others) / patients[name] / count
        for (name, patient), count in slices.items()
    }
    weights = np.array([sum(weight[group] for group in several) for several in groups])
    return weights / weights.sum()


def source_weights(items: Sequence[Item], shares: Mapping[str, float] | None = None) -> np.ndarray:
    """Sampling weights that give each source its share, and within it half to the normal slices.

    The other half is shared equally by the locations that the source has, slices without one counting as one, and what
    a class has by its patients. A source of one class alone gives its whole share to that; counterfactual transforms
    then make the other, since a source that always says the same gives the label away.

    Args:
        items: training split of N slices with `source`.
        shares: of the sources; default: equal ones. They need not add up to 1.

    Returns:
        float64 (N,), adding up to 1.

    Raises:
        DatasetError: when a source has no share, or a share has no source.
    """
    sources = np.array([item.get("source", "") for item in items])
    found = sorted(set(sources))
    shares = dict.fromkeys(found, 1.0) if shares is None else shares
    if sorted(shares) != found or not all(share > 0 for share in shares.values()):
        raise DatasetError(
            f"The sources {', '.join(found)} need a share above 0 each, and no others have one; "
            f"source_shares names {', '.join(shares)}."
        )
    weights = np.zeros(len(items))
    for source, share in shares.items():
        rows = np.flatnonzero(sources == source).tolist()
        own = [items[row] for row in rows]
        classes = {name for item in own for name in class_names(item)} - {"normal"}
        weights[rows] = share * balancing_weights(own, by_patient=True, others=len(classes) or 1)
    return weights / weights.sum()
