"""Phantom cohorts in the layouts of public sets, and predictions that know or invert their truth."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ichmonai.classes import KINDS, RSNA_LABELS
from ichmonai.datasets.phantom import PhantomStudy, make_study
from ichmonai.datasets.phantom.layouts import save_volume
from ichmonai.datasets.phantom.public import labelled_blood

SIZE = 64


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write(path: Path, table: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture(scope="session")
def cohort() -> list[PhantomStudy]:
    kinds = ("normal", "subdural", "deep", "intraventricular", "normal")
    return [make_study(i, kind, SIZE, patient=f"1p{i:04d}", tilt=0.0) for i, kind in enumerate(kinds, start=1)]


@pytest.fixture
def predict(tmp_path: Path, cohort: list[PhantomStudy]) -> Callable[..., Path]:
    """Writes the tables of a prediction that knows the phantom's `truth.csv`: 0.9 where it is, and 0.1."""

    def predicted(
        truth: Path, kinds: bool = True, without: tuple[str, ...] = (), outside: int = 0, masks: bool = False
    ) -> Path:
        out = tmp_path / "out"
        out.mkdir()
        (out / "masks").mkdir()
        heads = {"p_ich": "any", **({f"p_{kind}": kind for kind in KINDS} if kinds else {})}
        slices, studies = [], {}
        for row in rows(truth):
            path = str(truth.parent / row["file"])
            study = row["study"] or path
            if row["patient"] in without:
                continue
            one = {"study": study, "series": study, "slice": row["slice"], "sop_instance_uid": row["sop_instance_uid"]}
            p = {head: "0.9" if row[label] == "1" else "0.1" for head, label in heads.items()}
            state = "outside_brain" if int(row["slice"]) < outside else "classified"
            slices.append({**one, "state": state, **(p if state == "classified" else dict.fromkeys(p, ""))})
            before = studies.setdefault(study, {"study": study, "series": study, "path": path, **p})
            before |= {head: max(before[head], p[head]) for head in p}
        for study, case in zip(studies.values(), cohort, strict=True) if masks else ():
            study["mask"] = f"masks/{case.patient}.nii.gz"
            save_volume(out / study["mask"], labelled_blood(case), case)
        write(out / "slices.csv", slices)
        write(out / "studies.csv", list(studies.values()))
        digests = {f"{name}.csv": hashlib.sha256((out / f"{name}.csv").read_bytes()) for name in ("slices", "studies")}
        record = {"weights": {"file": "model.pt", "sha256": "0123456789abcdef"}, "threshold": 0.5}
        record |= {"tables": {name: digest.hexdigest() for name, digest in digests.items()}}
        (out / "run.json").write_text(json.dumps(record))
        return out

    return predicted


def positives(truth: Path, label: str = "any") -> int:
    """Slices of the phantom's truth that show a label."""
    assert label in RSNA_LABELS
    return sum(row[label] == "1" for row in rows(truth))
