"""Results of a hospital that is made up."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ichmonai.prediction.rows import REJECTED_COLUMNS, STUDY_COLUMNS
from ichmonai.tables import write_csv

SCANNERS = (("Siemens", "SOMATOM Force"), ("GE", "REVOLUTION CT"), ("Philips", "IQON"))


def studies(
    count: int,
    seed: int,
    noise: float = 4.0,
    thickness: float = 5.0,
    positive: float = 0.15,
    scanners: tuple[tuple[str, str], ...] = SCANNERS,
    tilted: float = 0.1,
) -> list[dict[str, Any]]:
    """Rows of the table of studies."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        bleeds = random.random() < positive
        p = float(random.beta(5, 1.5) if bleeds else random.beta(1.5, 8))
        maker, model = scanners[random.integers(len(scanners))]
        rows.append(
            {
                "study": f"1.2.{seed}.{i}",
                "series": f"1.2.{seed}.{i}.1",
                "outcome": "positive" if p > 0.5 else "negative",
                "p_ich": f"{p:.6f}",
                "flags": "gantry_tilt" if random.random() < tilted else "",
                "manufacturer": maker,
                "model": model,
                "kernel": "J40s",
                "kvp": "120",
                "thickness_mm": f"{thickness * random.choice([0.6, 1.0]):.6g}",
                "noise_hu": f"{random.gamma(20, noise / 20):.2f}",
            }
        )
    return rows


def write_results(folder: Path, rows: list[dict[str, Any]], refused: tuple[str, ...] = (), weights: str = "a") -> Path:
    """A folder as `ichmonai predict` leaves it; `refused` are codes of files that belong to no study."""
    write_csv(folder / "studies.csv", STUDY_COLUMNS, rows)
    others = [{"path": f"/in/{i}", "code": code, "sentence": "No."} for i, code in enumerate(refused)]
    write_csv(folder / "rejected.csv", REJECTED_COLUMNS, others)
    (folder / "run.json").write_text(json.dumps({"weights": {"sha256": weights}}))
    return folder
