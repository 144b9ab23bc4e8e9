"""Fit temperature and thresholds on validation, and on nothing else."""

from ichmonai.errors import InputError
from ichmonai.evaluation.calibration import Calibration, fit_temperature, fit_thresholds
from ichmonai.evaluation.cases import Cases, Intake
from ichmonai.evaluation.levels import patients_of, series_of


def levels_of(intake: Intake, cases: Cases | None = None) -> dict[str, Cases]:
    """The cases of each level at which a truth is known, the finest first.

    Args:
        intake: what was read.
        cases: its cases with other scores, instead of its own.
    """
    cases = intake.cases if cases is None else cases
    found = [] if intake.truth_of_series else [cases]
    series = series_of(cases)
    if series is not None:
        found.append(series)
    found.append(patients_of(cases))
    return {each.level: each for each in found if any((truth >= 0).any() for truth in each.truth.values())}


def fit_calibration(validation: Intake) -> Calibration:
    """Fit the temperature of each head, then the thresholds of each level at that temperature.

    Temperatures are of the network's logits, also where the validation was predicted at others (`Cases.temperature`).

    Raises:
        InputError: the validation holds no truth.
    """
    levels = levels_of(validation)
    if not levels:
        raise InputError(f"{validation.table.name} has no row with a truth; nothing can be fitted on it.")
    finest = next(iter(levels.values()))
    temperature = {}
    for head, truth in finest.truth.items():
        known = truth >= 0
        fitted = fit_temperature(head, truth[known], finest.scores[head][known])
        before = validation.cases.temperature.get(head)
        if fitted is not None or before is not None:
            temperature[head] = (1.0 if fitted is None else fitted) * (1.0 if before is None else before)
    calibration = Calibration(temperature)
    thresholds: dict[str, dict[str, dict[str, float]]] = {}
    scaled = levels_of(validation, validation.cases.calibrated(calibration))
    for level, cases in scaled.items():
        for head in cases.labels:
            known = cases.truth[head] >= 0
            points = fit_thresholds(cases.truth[head][known], cases.scores[head][known])
            if points:
                thresholds.setdefault(level, {})[head] = points
    judged = finest.truth[finest.labels[0]] >= 0
    return Calibration(
        temperature,
        thresholds,
        study_rule=next((cases.rule for level, cases in scaled.items() if level != "slice"), ""),
        fitted_on=f"{validation.table.name}, SHA-256 {validation.table.sha256}",
        n=int(judged.sum()),
        patients=len(set(finest.patients[judged].tolist())),
    )
