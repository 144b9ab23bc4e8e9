"""How far a label can be told without learning what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedGroupKFold

from ichmonai.audit.features import Value
from ichmonai.audit.neighbours import nearest
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.metrics import Estimator
from ichmonai.evaluation.ranking import Ranking

FEWEST_PATIENTS = 10
"""Patients of a class, and without it, below which a probe is not run."""

FOLDS = 5
RESAMPLES = 1000
_TREES, _LEAVES = 60, 15  # of the boosting; more change the AUC in the third digit and take seconds
_WORDS = 200  # more values than this are no category but a name


@dataclass(frozen=True)
class Feature:
    """One feature of a shortcut probe.

    Attributes:
        name: as `image_features` and `file_features` have it.
        auc: of the label by this feature alone, whichever way round is above 0.5.
        higher: whether the label goes with higher values; of words, always.
        importance: mean loss of AUC on the held-out patients when the feature is shuffled.
    """

    name: str
    auc: float
    higher: bool
    importance: float


@dataclass(frozen=True)
class ShortcutProbe:
    """How well features of the acquisition tell a label on unseen patients.

    Attributes:
        label: what is told.
        images: looked at.
        positives: of them.
        patients: of the images.
        auc: pooled over the folds, 95% interval by patient.
        features: by importance.
        leading: AUC of the single feature that tells the label best, which is `leading_name`.
        leading_name: its name.
        values: of that feature where it is a number, for the figure; else empty.
        truth: (images,) bool.
    """

    label: str
    images: int
    positives: int
    patients: int
    auc: Estimate
    features: tuple[Feature, ...]
    leading: Estimate
    leading_name: str
    values: NDArray[np.float64]
    truth: NDArray[np.bool_]


@dataclass(frozen=True)
class LeakageProbe:
    """How often the most similar other picture has the same label.

    Attributes:
        label: what is told.
        images: looked at.
        patients: of the images.
        image_split: accuracy by the nearest of all other images, 95% interval by patient.
        patient_split: accuracy by the nearest image of other patients.
        majority: accuracy of always the commonest label.
    """

    label: str
    images: int
    patients: int
    image_split: Estimate
    patient_split: Estimate
    majority: float


def enough_patients(positive: NDArray[np.bool_], group: NDArray[np.integer]) -> bool:
    """Whether enough patients have a label and enough do not."""
    return min(len(np.unique(group[positive])), len(np.unique(group[~positive]))) >= FEWEST_PATIENTS


def shortcut_probe(
    label: str,
    positive: NDArray[np.bool_],
    features: Sequence[Mapping[str, Value]],
    group: NDArray[np.integer],
    seed: int = 0,
) -> ShortcutProbe | None:
    """Boosted trees on features of the acquisition, each fold's patients told by trees grown on the others'.

    Args:
        label: name.
        positive: (N,).
        features: N times name -> number or word; what is missing is missing.
        group: (N,) patient of each image; see `enough_patients`.
        seed: of folds, trees, shuffles and resamples.

    Returns:
        The probe; None where all images have the same features.
    """
    names, table, words = feature_table(features)
    if not names:
        return None
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(table, positive, group))
    score = np.zeros(len(table))
    importance = np.zeros(len(names))
    for training, test in folds:
        model = HistGradientBoostingClassifier(
            max_iter=_TREES, max_leaf_nodes=_LEAVES, categorical_features=words, random_state=seed
        )
        model.fit(table[training], positive[training])
        score[test] = model.predict_proba(table[test])[:, 1]
        if len(np.unique(positive[test])) == 2:
            permuted = permutation_importance(
                model, table[test], positive[test], scoring="roc_auc", n_repeats=1, random_state=seed
            )
            importance += permuted.importances_mean / FOLDS
    singles = [
        _rates(column, positive, folds) if word else np.nan_to_num(column, nan=_median(column))
        for column, word in zip(table.T, words, strict=True)
    ]
    _, patient = np.unique(group, return_inverse=True)
    aucs = [float(Ranking(positive, single, patient)(np.ones((1, patient.max() + 1)))[0][0]) for single in singles]
    found = [
        Feature(name, max(auc, 1 - auc), auc >= 0.5, float(loss))
        for name, auc, loss in zip(names, aucs, importance, strict=True)
    ]
    best = max(range(len(found)), key=lambda i: found[i].auc)
    estimators = {
        "all": _auc(positive, score, patient),
        "best": _auc(positive, singles[best] if found[best].higher else -singles[best], patient),
    }
    estimates = estimate(estimators, patient.max() + 1, RESAMPLES, seed)
    return ShortcutProbe(
        label=label,
        images=len(table),
        positives=int(positive.sum()),
        patients=int(patient.max()) + 1,
        auc=estimates["all"]["auc"],
        features=tuple(sorted(found, key=lambda feature: -feature.importance)),
        leading=estimates["best"]["auc"],
        leading_name=names[best],
        values=np.empty(0) if words[best] else table[:, best],
        truth=positive,
    )


def leakage_probe(
    label: str, truth: NDArray[np.integer], small: NDArray[np.uint8], group: NDArray[np.integer], seed: int = 0
) -> LeakageProbe:
    """Tell each image's label by its nearest neighbour, among all others and among other patients' alone.

    Each image is left out once, so that nothing depends on how a split is drawn. The first number is what an
    image-level split rewards without any learning, the second what is left of it when patients are kept apart.

    Args:
        label: name of what is told.
        truth: (N,) class of each image.
        small: (N, 32, 32).
        group: (N,) patient of each image; two at least.
        seed: of the resamples.
    """
    neighbours = dict(zip(("image", "patient"), nearest(small, group), strict=True))
    names, patient = np.unique(group, return_inverse=True)
    images = np.bincount(patient)
    hits = {
        split: np.bincount(patient, weights=truth[rows] == truth, minlength=len(names))
        for split, rows in neighbours.items()
    }

    def accuracy(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        return {split: weights @ hit / (weights @ images) for split, hit in hits.items()}

    found = estimate({"accuracy": accuracy}, len(names), RESAMPLES, seed)["accuracy"]
    majority = np.unique(truth, return_counts=True)[1].max() / len(truth)
    return LeakageProbe(label, len(truth), len(names), found["image"], found["patient"], float(majority))


def feature_table(
    features: Sequence[Mapping[str, Value]],
) -> tuple[list[str], NDArray[np.float64], list[bool]]:
    """Names, values (N, F) and which of them are words (as numbers of categories); nan where missing.

    A feature that has the same value everywhere is left out, and so are words that are nearly all different.
    """
    names, columns, words = [], [], []
    for name in sorted({name for row in features for name in row}):
        values = [row.get(name) for row in features]
        is_word = any(isinstance(value, str) for value in values)
        if is_word:
            known = sorted({str(value) for value in values if value is not None})
            if len(known) > _WORDS:
                continue
            number = {word: float(i) for i, word in enumerate(known)}
            column = np.array([np.nan if value is None else number[str(value)] for value in values])
        else:
            column = np.array([np.nan if value is None else float(value) for value in values])
        if len(np.unique(column)) > 1:  # all nan count as one
            names.append(name)
            columns.append(column)
            words.append(is_word)
    return names, np.column_stack(columns) if columns else np.empty((len(features), 0)), words


def _auc(positive: NDArray[np.bool_], score: NDArray[np.float64], patient: NDArray[np.integer]) -> Estimator:
    ranking = Ranking(positive, score, patient)
    return lambda weights: {"auc": ranking(weights)[0]}


def _rates(column: NDArray[np.float64], positive: NDArray[np.bool_], folds: Sequence) -> NDArray[np.float64]:
    """Of words: how often each goes with the label among the other folds' patients."""
    score = np.zeros(len(column))
    codes = np.nan_to_num(column, nan=-1).astype(np.int64) + 1
    for training, test in folds:
        count = np.bincount(codes[training], minlength=codes.max() + 1)
        hits = np.bincount(codes[training], weights=positive[training], minlength=codes.max() + 1)
        rate = np.where(count > 0, hits / np.maximum(count, 1), positive[training].mean())
        score[test] = rate[codes[test]]
    return score


def _median(column: NDArray[np.float64]) -> float:
    return float(np.median(column[np.isfinite(column)]))
