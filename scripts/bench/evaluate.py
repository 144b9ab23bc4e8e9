"""Time `ichmonai evaluate` on drawn predictions, against resampling in a loop with scikit-learn.

100,000 slices of 3,000 patients, and a tenth as many of others to fit on. The command is a process of its own, timed
from its start to its end: all levels and metrics with 2,000 resamples of the patients, calibration, and the report. The
baseline draws patients and computes AUC, average precision, log loss and the confusion matrix of the slices with
scikit-learn, a few times, and is scaled to 2,000.

    python -m scripts.bench.evaluate --out scripts/results/bench_evaluate.csv
"""

import argparse
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, log_loss, roc_auc_score

from ichmonai.classes import LOCATIONS
from ichmonai.evaluation.intervals import RESAMPLES
from ichmonai.tables import write_csv
from scripts.bench.machine import machine

COLUMNS = ["image", "patient", "study", "slice", "ich", "location", "p_ich", *(f"p_{name}" for name in LOCATIONS)]
TRIED = 20


def draw(path: Path, patients: int, slices: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write predictions, about as good as a network's; patient, truth and score of each slice."""
    of = np.arange(slices) * patients // slices
    place = np.arange(slices) - np.searchsorted(of, of)
    bleeds, location = rng.random(patients) < 0.4, rng.integers(3, size=patients)
    ich = bleeds[of] & (place > 8) & (place < 20)
    logit = np.where(ich, 1.5, -1.8) + rng.normal(0, 0.6, patients)[of] + rng.normal(0, 1.1, slices)
    score = 1 / (1 + np.exp(-logit))
    shares = np.exp(rng.normal(0, 1, (slices, 3)) + 1.5 * np.eye(3)[location[of]])
    shares /= shares.sum(axis=1, keepdims=True)
    names = np.where(ich, np.array(LOCATIONS)[location[of]], "")
    rows = (
        (f"{path.stem}/{i}", f"{path.stem}{of[i]}", of[i], place[i], int(ich[i]), names[i], score[i], *shares[i])
        for i in range(slices)
    )
    write_csv(path, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows))
    return of, ich.astype(int), score


def loop(of: np.ndarray, truth: np.ndarray, score: np.ndarray, rng: np.random.Generator) -> float:
    """Seconds of one resample with scikit-learn."""
    first = np.searchsorted(of, np.arange(of[-1] + 2))
    started = time.perf_counter()
    for _ in range(TRIED):
        drawn = rng.integers(len(first) - 1, size=len(first) - 1)
        rows = np.concatenate([np.arange(first[one], first[one + 1]) for one in drawn])
        roc_auc_score(truth[rows], score[rows])
        average_precision_score(truth[rows], score[rows])
        log_loss(truth[rows], score[rows])
        confusion_matrix(truth[rows], score[rows] > 0.5)
    return (time.perf_counter() - started) / TRIED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="csv to write")
    parser.add_argument("--slices", type=int, default=100_000)
    parser.add_argument("--patients", type=int, default=3_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        test, validation, out = (Path(temporary, name) for name in ("test.csv", "validation.csv", "out"))
        drawn = draw(test, arguments.patients, arguments.slices, rng)
        draw(validation, arguments.patients // 10, arguments.slices // 10, rng)
        started = time.perf_counter()
        command = [sys.executable, "-P", "-m", "ichmonai", "evaluate", str(test), "--validation", str(validation)]
        subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        ours = time.perf_counter() - started
    theirs = RESAMPLES * loop(*drawn, rng)
    same = {
        "slices": arguments.slices,
        "patients": arguments.patients,
        "resamples": RESAMPLES,
        "machine": machine(),
        "versions": " ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn")),
    }
    times = {"scikit-learn in a loop, four metrics of slices": theirs, "ichmonai evaluate": ours}
    rows = [
        {"variant": name, "seconds": f"{seconds:.1f}", "ratio": f"{theirs / seconds:.1f}", **same}
        for name, seconds in times.items()
    ]
    for row in rows:
        print(row["variant"], row["seconds"], "s", row["ratio"])
    if arguments.out:
        write_csv(arguments.out, rows[0], rows)


if __name__ == "__main__":
    main()
