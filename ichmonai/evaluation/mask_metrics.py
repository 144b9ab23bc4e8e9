"""How well masks agree with their truth, by kind and with intervals over patients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
from numpy.typing import NDArray

from ichmonai.classes import KINDS
from ichmonai.evaluation.intervals import RESAMPLES, Estimate, estimate
from ichmonai.evaluation.mask_files import MaskPair
from ichmonai.evaluation.metrics import Estimator, ratio

ENOUGH_ML = 5.0
"""True volume above which an error relative to it says something."""

HEADS = ("any", *KINDS)


@dataclass(frozen=True)
class MaskHead:
    """What was found of the masks of one kind, or of any blood.

    Attributes:
        n: studies.
        bleeding: studies whose true mask shows it.
        patients: whose they are.
        metrics: name -> estimate: `dice`, mean over the studies in which either mask shows it; `surface_mm` and
            `hausdorff95_mm`, means of the average symmetric distance of the surfaces and of its 95th percentile, over
            the studies in which both show it; `volume_bias_ml`, mean of predicted less true volume over all studies,
            with `agreement_low_ml` and `agreement_high_ml` 1.96 standard deviations away (Bland and Altman);
            `volume_error_ml`, median size of the error of studies whose true mask shows it; `relative_error`, the same
            over the true volume, of studies above `ENOUGH_ML`.
    """

    n: int
    bleeding: int
    patients: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class MaskResult:
    """What was found of masks.

    Attributes:
        heads: `any` and each kind that a mask shows.
        rows: a study and a head each: `study`, `head`, `dice`, `surface_mm`, `hausdorff95_mm`, `true_ml` and
            `predicted_ml`; nan where not defined.
    """

    heads: Mapping[str, MaskHead]
    rows: tuple[Mapping[str, Any], ...]


def judge_masks(
    pairs: Iterable[MaskPair], binary: bool = False, n: int = RESAMPLES, seed: int = 0
) -> MaskResult | None:
    """Judge predicted masks.

    Volumes are of voxels on the grid of the files, which have the mean distance of slices that are unevenly spaced.

    Args:
        pairs: of studies.
        binary: only any blood is judged.
        n: draws of the intervals.
        seed: of the draws.

    Returns:
        The result; None where there is no pair.
    """
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        for value, head in enumerate(HEADS[:1] if binary else HEADS):
            predicted, true = (mask == value if value else mask > 0 for mask in (pair.predicted, pair.true))
            found = _agreement(predicted, true, pair.spacing)
            rows.append({"study": pair.study, "patient": pair.patient, "head": head, **found})
    if not rows:
        return None
    bleeding = {row["head"] for row in rows if row["true_ml"] + row["predicted_ml"] > 0}
    shown = [head for head in HEADS if head in bleeding]
    heads = {head: _head([row for row in rows if row["head"] == head], n, seed) for head in shown or HEADS[:1]}
    return MaskResult(heads, tuple(row for row in rows if row["head"] in heads))


def _agreement(predicted: NDArray, true: NDArray, spacing: tuple[float, float, float]) -> dict[str, float]:
    voxel = float(np.prod(spacing)) / 1000
    found = {"true_ml": float(true.sum()) * voxel, "predicted_ml": float(predicted.sum()) * voxel}
    nothing = {"dice": float("nan"), "surface_mm": float("nan"), "hausdorff95_mm": float("nan")}
    places = np.argwhere(predicted | true)
    if not len(places):
        return found | nothing
    low, high = np.maximum(places.min(0) - 1, 0), places.max(0) + 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    one, other = (torch.from_numpy(np.ascontiguousarray(mask[box]))[None, None].float() for mask in (predicted, true))
    found["dice"] = float(compute_dice(one, other, ignore_empty=False))
    if predicted.any() and true.any():
        options: dict[str, Any] = {"include_background": True, "spacing": list(spacing)}
        found["surface_mm"] = float(compute_average_surface_distance(one, other, symmetric=True, **options))
        found["hausdorff95_mm"] = float(compute_hausdorff_distance(one, other, percentile=95, **options))
    return nothing | found


def _head(rows: list[dict[str, Any]], n: int, seed: int) -> MaskHead:
    names, patient = np.unique([row["patient"] for row in rows], return_inverse=True)
    values = {name: np.array([row[name] for row in rows]) for name in rows[0] if name.endswith(("dice", "_mm", "_ml"))}
    true, error = values["true_ml"], values["predicted_ml"] - values["true_ml"]
    estimators = {name: _mean(values[name], patient, len(names)) for name in ("dice", "surface_mm", "hausdorff95_mm")}
    estimators["volume"] = _bland_altman(error, patient, len(names))
    estimators["volume_error_ml"] = _median(np.abs(error), true > 0, patient)
    relative = np.abs(error) / np.where(true > 0, true, 1)
    estimators["relative_error"] = _median(relative, true > ENOUGH_ML, patient)
    found = estimate(estimators, len(names), n, seed)
    metrics = {name or group: one for group, estimates in found.items() for name, one in estimates.items()}
    return MaskHead(len(rows), int((true > 0).sum()), len(names), metrics)


def _mean(values: NDArray[np.float64], patient: NDArray[np.integer], patients: int) -> Estimator:
    known = np.isfinite(values)
    total = np.bincount(patient[known], values[known], patients)
    count = np.bincount(patient[known], minlength=patients)
    return lambda weights: {"": ratio(weights @ total, weights @ count)}


def _bland_altman(error: NDArray[np.float64], patient: NDArray[np.integer], patients: int) -> Estimator:
    sums = [np.bincount(patient, one, patients) for one in (np.ones_like(error), error, error**2)]

    def estimator(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        count, total, squares = (weights @ one for one in sums)
        mean = ratio(total, count)
        spread = 1.96 * np.sqrt(np.maximum(ratio(squares - count * mean**2, count - 1), 0))
        return {"volume_bias_ml": mean, "agreement_low_ml": mean - spread, "agreement_high_ml": mean + spread}

    return estimator


def _median(values: NDArray[np.float64], known: NDArray[np.bool_], patient: NDArray[np.integer]) -> Estimator:
    order = np.argsort(values[known], kind="stable")
    ordered, whose = values[known][order], patient[known][order]

    def estimator(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        if not len(ordered):
            return {"": np.full(len(weights), np.nan)}
        reached = np.cumsum(weights[:, whose], axis=1)
        half = reached[:, -1:] / 2
        middle = (ordered[(reached >= half).argmax(1)] + ordered[(reached > half).argmax(1)]) / 2
        return {"": np.where(half[:, 0] > 0, middle, np.nan)}

    return estimator
