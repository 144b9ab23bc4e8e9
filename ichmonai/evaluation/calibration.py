"""Temperature and thresholds: fitted on validation, kept with the weights, used by inference."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax

from ichmonai.classes import ICH_CLASSES, KINDS, LOCATIONS
from ichmonai.errors import InputError, first_line
from ichmonai.networks.heads import split_heads
from ichmonai.notice import NOTICE
from ichmonai.study_rule import StudyDecision

ArrayOrTensor = TypeVar("ArrayOrTensor")

OPERATING_POINTS = {
    "specificity_90": ("specificity", 0.90),
    "specificity_95": ("specificity", 0.95),
    "sensitivity_90": ("sensitivity", 0.90),
    "sensitivity_95": ("sensitivity", 0.95),
}
"""Name of a threshold -> what it holds on validation, and at what share."""

ZONES = {"zone_90": ("sensitivity_90", "specificity_90"), "zone_95": ("sensitivity_95", "specificity_95")}
"""Name of a three-way decision -> the thresholds up to which a study is negative, and above which it is positive."""

_SMALLEST = 5e-7
"""Half the last digit of a written probability: 0.000000 and 1.000000 are no certainty."""
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Calibration:
    """What was fitted on validation.

    Attributes:
        temperature: head -> T; logits are divided by it. Heads: `ich` and `location` of DTViT, or one for each label of
            a multi-label network. A head that could not be fitted is absent and left as it is.
        thresholds: level (`slice`, `series`, `patient`) -> head -> operating point (`OPERATING_POINTS`) -> probability
            *after* temperature; the label is there where the probability is higher.
        study_rule: how the slices of a study become one probability, in words.
        fitted_on: file of validation predictions, and its SHA-256.
        n: rows of that file that had a truth.
        patients: how many they came from.
    """

    temperature: Mapping[str, float]
    thresholds: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    study_rule: str = ""
    fitted_on: str = ""
    n: int = 0
    patients: int = 0

    @classmethod
    def read(cls, path: str | PathLike) -> "Calibration":
        """Read a `calibration.json`.

        Raises:
            InputError: the file is not one, or holds a temperature or threshold that cannot be.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
            known["temperature"] = {head: float(t) for head, t in record["temperature"].items()}
            known["thresholds"] = {
                level: {head: {name: float(t) for name, t in points.items()} for head, points in heads.items()}
                for level, heads in record.get("thresholds", {}).items()
            }
            calibration = cls(**known)
            for name, kind in {"study_rule": str, "fitted_on": str, "n": int, "patients": int}.items():
                if not isinstance(getattr(calibration, name), kind):
                    raise TypeError(f"{name} is {getattr(calibration, name)!r}")
            fits = all(0 < t < np.inf for t in calibration.temperature.values()) and all(
                0 <= t <= 1
                for heads in calibration.thresholds.values()
                for points in heads.values()
                for t in points.values()
            )
        except (OSError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
            raise InputError(
                f"{path} cannot be read as a calibration ({first_line(error)}); `ichmonai evaluate --validation` "
                "writes one."
            ) from error
        if not fits:
            raise InputError(f"{path} has a temperature that is not positive or a threshold outside 0 to 1; fit again.")
        return calibration

    @classmethod
    def read_if_there(cls, path: str | PathLike) -> "Calibration":
        """The calibration beside a network's weights; one that changes nothing where there is none."""
        return cls.read(path) if Path(path).exists() else cls({})

    def study_threshold(self, operating_point: str | None = None) -> float:
        """The ICH probability above which a study is positive.

        Args:
            operating_point: one of `OPERATING_POINTS` or `ZONES`. None: 90% specificity where that was fitted, else
                0.5.

        Raises:
            InputError: there is no such operating point, or nothing was fitted for it.
        """
        fitted = self.thresholds.get("series", {}).get("ich", {})
        if operating_point is None:
            return float(fitted.get("specificity_90", 0.5))
        known = (*OPERATING_POINTS, *ZONES)
        if operating_point not in known:
            raise InputError(f"operating_point is {operating_point!r}; choose from {', '.join(known)}.")
        if operating_point in ZONES and fitted.keys() >= set(ZONES[operating_point]):
            return zone(fitted, operating_point)[1]
        if operating_point not in fitted:
            raise InputError(
                f"No threshold was fitted for operating_point {operating_point}; fit one with ichmonai evaluate "
                "--validation, and give its calibration.json as calibration_path."
            )
        return float(fitted[operating_point])

    def decision(self, operating_point: str | None = None, threshold: float | None = None) -> StudyDecision:
        """What is said of a study by its probabilities.

        Args:
            operating_point: as of `study_threshold`.
            threshold: another than that of the operating point.

        Raises:
            InputError: as `study_threshold`.
        """
        fitted = self.thresholds.get("series", {})
        above = self.study_threshold(operating_point) if threshold is None else float(threshold)
        below = min(zone(fitted["ich"], operating_point)[0], above) if operating_point in ZONES else above
        point = ZONES[operating_point][1] if operating_point in ZONES else operating_point or "specificity_90"
        kinds = {kind: fitted[kind][point] for kind in KINDS if point in fitted.get(kind, {})}
        return StudyDecision(above, below, kinds)

    def write(self, path: str | PathLike) -> None:
        """Write as JSON."""
        record = {"notice": NOTICE, **asdict(self)}
        Path(path).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def scale(self, head: str, probabilities: NDArray[np.floating], of: float = 1.0) -> NDArray[np.float64]:
        """Probabilities of one head at its temperature.

        Args:
            head: name; one without a temperature is at 1.
            probabilities: (N,) of a label; of `location` (N, 3).
            of: the temperature that the probabilities are at.
        """
        temperature = self.temperature.get(head, 1.0) / of
        if temperature == 1:
            return np.asarray(probabilities, dtype=np.float64)
        return _scale_location(probabilities, temperature) if head == "location" else _scale(probabilities, temperature)

    def apply(self, probabilities: ArrayOrTensor) -> ArrayOrTensor:
        """Probabilities at the fitted temperatures, in the order that they came in.

        Temperature needs logits only up to a constant, which is what the logarithms of probabilities are; 0 and 1 count
        as 5e-7 and 1 - 5e-7.

        Args:
            probabilities: array or tensor. DTViT's (N, 5), [normal, ich | deep, lobar, subtentorial], or with kinds
                (N, 10); of a multi-label network (N, K), the labels in the order of `temperature`.

        Returns:
            The same kind, shape, dtype and device.

        Raises:
            ValueError: the number of columns is another.

        Example:
            >>> Calibration({"ich": 2.0}).apply(np.array([[0.1, 0.9, 0.6, 0.3, 0.1]])).round(2)
            array([[0.25, 0.75, 0.6 , 0.3 , 0.1 ]])
        """
        values = np.asarray(probabilities.detach().cpu() if hasattr(probabilities, "detach") else probabilities)
        scaled = self._apply(values.astype(np.float64)).astype(values.dtype)
        return probabilities.new_tensor(scaled) if hasattr(probabilities, "new_tensor") else scaled  # type: ignore[return-value]

    def apply_logits(self, logits: ArrayOrTensor) -> ArrayOrTensor:
        """Probabilities at the fitted temperatures of DTViT's logits.

        Args:
            logits: array or tensor, as of `softmax_heads`.

        Returns:
            (N, 5) of the same kind, with the kinds (N, 10).

        Raises:
            ValueError: the number of columns is another.
        """
        values = np.asarray(logits.detach().cpu() if hasattr(logits, "detach") else logits)
        *heads, kinds = split_heads(values)
        scaled = [
            softmax(part.astype(np.float64) / self.temperature.get(name, 1.0), axis=1)
            for name, part in zip(("ich", "location"), heads, strict=True)
        ]
        of_kinds = [self.temperature.get(kind, 1.0) for kind in KINDS[: kinds.shape[1]]]
        scaled.append(expit(kinds.astype(np.float64) / of_kinds))
        result = np.concatenate(scaled, axis=1).astype(values.dtype)
        return logits.new_tensor(result) if hasattr(logits, "new_tensor") else result  # type: ignore[return-value]

    def _apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        first, last = len(ICH_CLASSES), len(ICH_CLASSES) + len(LOCATIONS)
        dtvit = not self.temperature or bool(self.temperature.keys() & {"ich", "location"})
        columns = last if dtvit else len(self.temperature)
        if dtvit and values.ndim == 2 and values.shape[1] == last + len(KINDS):
            kinds = [self.scale(kind, values[:, last + i]) for i, kind in enumerate(KINDS)]
            return np.concatenate([self._apply(values[:, :last]), np.stack(kinds, axis=1)], axis=1)
        if values.ndim != 2 or values.shape[1] != columns:
            raise ValueError(f"This calibration takes probabilities (N, {columns}), not {values.shape}.")
        if not dtvit:
            return np.stack([self.scale(head, values[:, k]) for k, head in enumerate(self.temperature)], axis=1)
        ich = self.scale("ich", values[:, 1])
        return np.concatenate([np.stack([1 - ich, ich], axis=1), self.scale("location", values[:, first:])], axis=1)


def calibration_path(weights: str | PathLike) -> Path:
    """Where the calibration of a network is kept: `calibration.json` in the folder of its weights."""
    return Path(weights).with_name("calibration.json")


def fit_temperature(head: str, truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float | None:
    """Fit the temperature of one head by maximum likelihood (Guo et al. 2017, section 4.2).

    Args:
        head: `location` or a label.
        truth: (N,) 0 or 1; of `location` 0 to 2.
        probabilities: (N,); of `location` (N, 3).

    Returns:
        The temperature, or None where the likelihood has no maximum between 0.05 and 20: one class only, or classes
        that the head never confuses.
    """
    if len(np.unique(truth)) < 2:
        return None
    scale = _scale_location if head == "location" else _scale

    def surprise(log_temperature: float) -> float:
        scaled = scale(probabilities, np.exp(log_temperature))
        of_truth = (
            scaled[np.arange(len(truth)), truth] if scaled.ndim == 2 else np.where(truth == 1, scaled, 1 - scaled)
        )
        return float(-np.log(of_truth.clip(1e-300)).mean())

    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x
    return float(np.exp(found)) if low + 1e-3 < found < high - 1e-3 else None


def fit_thresholds(truth: NDArray[np.integer], score: NDArray[np.floating]) -> dict[str, float]:
    """Fix the operating points: the best other value while sensitivity or specificity is at least the share named.

    A threshold lies halfway between two neighbouring scores, so that no rounding moves a case across.

    Args:
        truth: (N,) 0 or 1.
        score: (N,) between 0 and 1, exclusive.

    Returns:
        Operating point -> threshold; empty where a class is absent.
    """
    positives, negatives = np.sort(score[truth == 1]), np.sort(score[truth == 0])
    if not positives.size or not negatives.size:
        return {}
    values = np.concatenate([[0.0], np.unique(score), [1.0]])
    thresholds = {}
    for name, (held, share) in OPERATING_POINTS.items():
        if held == "specificity":  # this negative and all below are to be called negative
            last = negatives[int(np.ceil(share * len(negatives) - 1e-9)) - 1]
            between = np.searchsorted(values, last)
        else:  # this positive and all above are to be called positive
            last = positives[len(positives) - int(np.ceil(share * len(positives) - 1e-9))]
            between = np.searchsorted(values, last) - 1
        thresholds[name] = float(values[between] + values[between + 1]) / 2
    return thresholds


def zone(thresholds: Mapping[str, float], name: str) -> tuple[float, float]:
    """Up to which probability a study is negative, and above which it is positive, so that both errors stay rare.

    Of the validation's haemorrhages no more than 5% (`zone_95`) are called negative, and of the others no more than 5%
    positive; what lies between gets no prediction. The better the two are apart, the narrower it is, and where one
    threshold holds both there is none: the two are one, in the middle.

    Args:
        thresholds: operating point -> threshold, with those of the zone.
        name: of `ZONES`.
    """
    low, high = (float(thresholds[point]) for point in ZONES[name])
    return (low, high) if low < high else ((low + high) / 2,) * 2


def _scale(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    return expit(logit(_inside(probabilities)) / temperature)


def _scale_location(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    return softmax(np.log(_inside(probabilities)) / temperature, axis=1)


def _inside(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
