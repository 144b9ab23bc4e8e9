"""From a public set and the tables of its prediction to what the weights are worth on it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ichmonai.benchmarks.measure import HEADS, Measure, measure, measure_masks, scores_of
from ichmonai.benchmarks.public_set import PublicSet, named
from ichmonai.benchmarks.report import write_benchmark
from ichmonai.errors import InputError, first_line
from ichmonai.evaluation.mask_metrics import judge_masks
from ichmonai.evaluation.metrics import THRESHOLD
from ichmonai.evaluation.tables import read_table
from ichmonai.prediction.rows import CLASSIFIED, OUTSIDE_BRAIN


@dataclass(frozen=True)
class Benchmark:
    """What was found.

    Attributes:
        measures: all metrics.
        notes: sentences on what is missing or odd.
        page: `benchmark.md`.
    """

    measures: tuple[Measure, ...]
    notes: tuple[str, ...]
    page: str


def run_benchmark(public: PublicSet, out: Path, resamples: int = 2000, seed: int = 0) -> Benchmark:
    """Judge the prediction of a set by its truth.

    Slices that inference finds to be outside the brain count as probability 0. Studies without a prediction are in no
    number, but named.

    Args:
        public: the set.
        out: folder of its prediction, with `studies.csv`, `slices.csv` and `run.json`; gets `benchmark.csv` and
            `benchmark.md`.
        resamples: draws of the patients for the intervals.
        seed: of the draws.

    Raises:
        InputError: nothing was predicted, or the tables are not of the set.
    """
    weights, threshold = _run(out / "run.json")
    studies = read_table(out / "studies.csv") if _has_rows(out / "studies.csv") else None
    answered = None if studies is None else studies.take(np.isfinite(scores_of(studies)["ich"]))
    if answered is None or not len(answered):
        raise InputError(f"No study of {public.name} has a prediction; {out / 'rejected.csv'} says why of each.")
    slices = read_table(out / "slices.csv") if _has_rows(out / "slices.csv") else None
    notes = list(public.notes)
    if missing := public.missing(answered):
        bleeding = sum(int(public.studies[name][0] == 1) for name in missing)
        names = named(Path(name).name for name in missing)
        notes.append(
            f"{len(missing)} of {len(public.studies)} studies, {bleeding} of them with a haemorrhage, have no "
            f"prediction and are in no number: {names} (rejected.csv says why)."
        )
    measures: list[Measure] = []
    if slices is not None and (truth := public.of_slices(slices)) is not None:
        outside = slices.columns["state"] == OUTSIDE_BRAIN
        scores = {head: np.where(outside, 0.0, score) for head, score in scores_of(slices).items()}
        if outside.any():
            positives = int((outside & (truth.labels[:, 0] == 1)).sum())
            notes.append(
                f"{int(outside.sum())} slices were found to be outside the brain and count as probability 0, "
                f"{positives} of them labelled as haemorrhage."
            )
        measures += measure("slice", scores, truth, THRESHOLD, resamples, seed)
        if unlabelled := int(((truth.cases == "") & (slices.columns["state"] == CLASSIFIED)).sum()):
            notes.append(f"{unlabelled} slices that were predicted have no label and are in no number.")
    scores = scores_of(answered)
    measures += measure("study", scores, public.of_studies(answered, slices), threshold, resamples, seed)
    if not measures or not measures[-1].cases:
        raise InputError(f"No study that was predicted is of {public.name}; choose another --out.")
    if public.mask_kinds is not None:
        masks = judge_masks(public.masks(answered), not public.mask_kinds, resamples, seed)
        measures += measure_masks(masks) if masks else []
        notes += [] if masks else ["The weights make no masks."]
    if scores.keys() < set(HEADS):
        notes.append("The weights do not say kinds.")
    page = write_benchmark(out, public.name, weights, measures, notes)
    return Benchmark(tuple(measures), tuple(notes), page)


def _run(path: Path) -> tuple[str, float]:
    """Digest of the weights and threshold of a study, as the prediction's record has them."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return str(record["weights"]["sha256"]), float(record["threshold"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(
            f"{path} does not say which weights were used ({first_line(error)}); predict again."
        ) from error


def _has_rows(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _, _ in zip(file, range(2), strict=False)) > 1
