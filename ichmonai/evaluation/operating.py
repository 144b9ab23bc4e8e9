"""What a threshold means in use: operating points, predictive values at a prevalence, net benefit."""

import numpy as np
from numpy.typing import NDArray

from ichmonai.evaluation.calibration import OPERATING_POINTS
from ichmonai.evaluation.metrics import Estimator, binary_estimator, ratio

PREVALENCES = (0.05, 0.10, 0.15, 0.30)
DECISION_THRESHOLDS = np.arange(1, 100) / 100
_SHOWN = ("sensitivity", "specificity", "ppv", "npv")


def predictive_values(
    sensitivity: NDArray[np.floating], specificity: NDArray[np.floating], prevalence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """PPV and NPV that a sensitivity and a specificity have at another prevalence, by Bayes' theorem."""
    true_positive, false_negative = sensitivity * prevalence, (1 - sensitivity) * prevalence
    true_negative, false_positive = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return ratio(true_positive, true_positive + false_positive), ratio(true_negative, true_negative + false_negative)


def operating_estimator(
    truth: NDArray[np.integer],
    score: NDArray[np.floating],
    patient: NDArray[np.integer],
    patients: int,
    threshold: float,
) -> Estimator:
    """Sensitivity, specificity, PPV and NPV at a threshold that was fixed elsewhere, and PPV and NPV by prevalence.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) probabilities.
        patient: (N,) number of each case's patient.
        patients: how many there are.
        threshold: the label is predicted where its probability is higher.

    Returns:
        Estimator of `sensitivity`, `specificity`, `ppv`, `npv`, `ppv_at_5`, `npv_at_5` (percent) and so on.
    """
    base = binary_estimator(truth, score, patient, patients, threshold, ranking=False)

    def estimator(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        metrics = base(weights)
        shown = {name: metrics[name] for name in _SHOWN}
        for prevalence in PREVALENCES:
            ppv, npv = predictive_values(metrics["sensitivity"], metrics["specificity"], prevalence)
            percent = round(100 * prevalence)
            shown |= {f"ppv_at_{percent}": ppv, f"npv_at_{percent}": npv}
        return shown

    return estimator


def zone_estimator(
    truth: NDArray[np.integer],
    score: NDArray[np.floating],
    patient: NDArray[np.integer],
    patients: int,
    bounds: tuple[float, float],
) -> Estimator:
    """What a three-way decision is worth, whose thresholds were fixed elsewhere.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) probabilities.
        patient: (N,) number of each case's patient.
        patients: how many there are.
        bounds: a case is negative up to the first and positive above the second; between it gets no prediction.

    Returns:
        Estimator of `no_prediction`, the share of cases without one; `missed`, the share of all haemorrhages called
        negative, and `false_alarms`, that of all others called positive; `sensitivity`, `specificity`, `ppv` and `npv`
        of the cases that got a prediction.
    """
    low, high = bounds
    positive, negative = score > high, score <= low
    decided = positive | negative
    of_decided = binary_estimator(truth[decided], score[decided], patient[decided], patients, high, ranking=False)

    def share(cases: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimator:
        sums = [np.bincount(patient, one.astype(np.float64), patients) for one in (cases & among, among)]
        return lambda weights: {"": ratio(weights @ sums[0], weights @ sums[1])}

    shares = {
        "no_prediction": share(~decided, np.ones_like(decided)),
        "missed": share(negative, truth == 1),
        "false_alarms": share(positive, truth == 0),
    }

    def estimator(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        metrics = of_decided(weights)
        return {name: one(weights)[""] for name, one in shares.items()} | {name: metrics[name] for name in _SHOWN}

    return estimator


def in_sample_reading(truth: NDArray[np.integer], score: NDArray[np.floating]) -> dict[str, float]:
    """Sensitivity at 90 and 95% specificity and the reverse, read off this very sample's ROC curve.

    The threshold is chosen on the cases that it is judged on, so this flatters: it describes the curve, and is no
    performance to expect. nan where a class is absent.
    """
    positives, negatives = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    values = np.concatenate([[-np.inf], np.unique(score)])
    defined = len(positives) and len(negatives)
    rates = {
        "sensitivity": 1 - np.searchsorted(positives, values, side="right") / max(len(positives), 1),
        "specificity": np.searchsorted(negatives, values, side="right") / max(len(negatives), 1),
    }
    reading = {}
    for name, (held, share) in OPERATING_POINTS.items():
        other = "sensitivity" if held == "specificity" else "specificity"
        allowed = rates[other][rates[held] >= share - 1e-9]
        reading[f"{other}_at_{name}"] = float(allowed.max()) if defined else float("nan")
    return reading


def net_benefit(
    truth: NDArray[np.integer], score: NDArray[np.floating], thresholds: NDArray[np.floating] = DECISION_THRESHOLDS
) -> dict[str, NDArray[np.float64]]:
    """Decision curve (Vickers and Elkin 2006): true positives less false positives at the odds of the threshold.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) probabilities; they should be calibrated.
        thresholds: probabilities at which one would act.

    Returns:
        `threshold`, and `model` and `treat_all` in net true positives a case; treating none has 0.
    """
    positives, negatives = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    odds, count = thresholds / (1 - thresholds), max(len(truth), 1)
    true_positive = len(positives) - np.searchsorted(positives, thresholds, side="right")
    false_positive = len(negatives) - np.searchsorted(negatives, thresholds, side="right")
    return {
        "threshold": thresholds.astype(np.float64),
        "model": (true_positive - false_positive * odds) / count,
        "treat_all": (len(positives) - len(negatives) * odds) / count,
    }
