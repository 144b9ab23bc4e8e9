"""Targets that read tables, datalists, and what an earlier run left."""

import csv
import functools
import hashlib
import io
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from ichmonai.audit import audit, judge
from ichmonai.datasets.datalist import load_datalist
from ichmonai.evaluation import Calibration, evaluate
from ichmonai.evaluation.files import evaluation_record
from ichmonai.networks.weights import load_trained
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.prediction.run import BatchOptions, run_batch
from ichmonai.prediction.steps import Answer
from scripts.bench.phantom_archive import write_bundle
from scripts.check.fuzzing import seeds
from scripts.check.fuzzing.images import spread
from scripts.check.fuzzing.mutations import mutate_bytes, mutate_json, mutate_text
from scripts.check.fuzzing.oracles import Target, ViolationError
from scripts.check.fuzzing.structures import mutate_files, mutate_sqlite, pack, unpack

PROBABILITIES = "p_ich,p_deep,p_lobar,p_subtentorial"


def _csv(header: str, rows: list[tuple]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return text.getvalue().encode()


def _files(run: Callable[[Path], str], needed: str) -> Callable[[Path, bytes], str]:
    """A target whose input is several files."""

    def target(folder: Path, data: bytes) -> str:
        try:
            files = unpack(data)
        except Exception:  # no mutation of ours
            return "no input"
        spread(folder, files)
        return run(folder) if (folder / needed).is_file() else "no input"

    return target


def _evaluation_seeds() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    probability = [tuple(f"{value:.6f}" for value in (p, q, 1 - q, 0)) for p, q in random.random((16, 2))]
    names = [(f"study{i // 4}", i % 4) for i in range(16)]
    truth = [(i // 4 % 2, ("deep", "lobar", "subtentorial")[i // 4 % 3] if i // 4 % 2 else "") for i in range(16)]
    slices = _csv(f"study,slice,{PROBABILITIES}", [(*n, *p) for n, p in zip(names, probability, strict=True)])
    known = [(*n, f"patient{i // 8}", *t) for i, (n, t) in enumerate(zip(names, truth, strict=True))]
    labelled = _csv("study,slice,patient,ich,location", known)
    whole = [
        (*n, f"patient{i // 8}", *t, *p) for i, (n, t, p) in enumerate(zip(names, truth, probability, strict=True))
    ]
    studies = [(f"study{i}", f"series{i}", *probability[i]) for i in range(8)]
    of_studies = [(f"study{i}", f"patient{i}", i % 2, "deep" if i % 2 else "") for i in range(8)]
    run = {"temperature": {"ich": 1.5}, "tables": {"predictions.csv": hashlib.sha256(slices).hexdigest()}}
    files = {"predictions.csv": slices, "truth.csv": labelled}
    return {
        "slices": pack(files),
        "of a run": pack({**files, "run.json": json.dumps(run).encode()}),
        "whole": pack({"predictions.csv": _csv(f"study,slice,patient,ich,location,{PROBABILITIES}", whole)}),
        "studies": pack(
            {
                "predictions.csv": _csv(f"study,series,{PROBABILITIES}", studies),
                "truth.csv": _csv("study,patient,ich,location", of_studies),
                "calibration.json": _calibration_seeds()["fitted"],
            }
        ),
    }


def _evaluate(folder: Path) -> str:
    truth, calibration = (
        path if (path := folder / name).is_file() else None for name in ("truth.csv", "calibration.json")
    )
    result = evaluate(folder / "predictions.csv", truth, calibration=calibration, resamples=2)
    json.dumps(evaluation_record(result), allow_nan=False)
    return "evaluated"


def _calibration_seeds() -> dict[str, bytes]:
    points = {"specificity_90": 0.6, "sensitivity_95": 0.1}
    fitted = Calibration({"ich": 1.3, "location": 0.8}, {"series": {"ich": points}}, "mean", "a.csv", 10, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "calibration.json")
        fitted.write(path)
        return {"fitted": path.read_bytes(), "nothing": b'{"temperature": {}}'}


def _calibration(folder: Path, data: bytes) -> str:
    path = folder / "calibration.json"
    path.write_bytes(data)
    read = Calibration.read(path)
    threshold = read.study_threshold()
    scaled = read.apply_logits(np.array([[1.0, 2, 3, 4, 5], [0, 0, 0, 0, 0]]))
    if not (0 <= threshold <= 1 and np.isfinite(scaled).all() and (scaled >= 0).all() and (scaled <= 1).all()):
        raise ViolationError("values", f"threshold {threshold}, probabilities {scaled}", "calibration")
    read.write(path)
    if Calibration.read(path) != read:
        raise ViolationError("changed", "another calibration after it was written", "calibration")
    return "read"


def _datalist(name: str) -> Callable[[Path, bytes], str]:
    def run(folder: Path, data: bytes) -> str:
        (folder / name).write_bytes(data)
        items = load_datalist(folder / name)
        for item in items:
            ich, location = item["label"].tolist()
            if ich not in (0, 1) or location not in (-1, 0, 1, 2) or not item["patient"]:
                raise ViolationError("values", f"item {item}", "item")
        return "read"

    return run


def _datalist_csv_seeds() -> dict[str, bytes]:
    rows = [(f"{i}.png", f"p{i // 2}", i % 2, "deep" if i % 2 else "") for i in range(6)]
    numbered = [(*row, f"s{i // 3}", i % 3) for i, row in enumerate(rows)]
    header = "image,patient,ich,location"
    return {"plain": _csv(header, rows), "numbered": _csv(f"{header},study,slice", numbered)}


def _datalist_json_seeds() -> dict[str, bytes]:
    items = [{"image": f"{i}.png", "patient": f"p{i}", "label": [i % 2, 0 if i % 2 else -1]} for i in range(4)]
    split = {"training": items[:2], "validation": items[2:3], "test": items[3:]}
    return {"split": json.dumps(split).encode(), "whole": json.dumps({"training": items}).encode()}


def _audit_seeds() -> dict[str, bytes]:
    pictures = seeds.pictures()
    images = {f"{i}.{name.split('.')[1]}": content for i, (name, content) in enumerate(pictures.items()) if i % 2}
    rows = [(name, f"p{i}", i % 2, "deep" if i % 2 else "") for i, name in enumerate(images)]
    return {"slices": pack({"slices.csv": _csv("image,patient,ich,location", rows), **images})}


def _audit(folder: Path) -> str:
    judge(audit(folder / "slices.csv", workers=1))
    return "audited"


def _config_seeds() -> dict[str, bytes]:
    return {"inference": (bundle_root() / "configs" / "inference.json").read_bytes()}


def _config(folder: Path, data: bytes) -> str:
    (folder / "configs").mkdir()
    (folder / "configs" / "inference.json").write_bytes(data)
    bundle = InferenceBundle(BundleSource(folder, {"batch_size": 2}))
    for name in ("accept", "batch_size", "threshold", "device"):  # what a component is made of takes MONAI long to find
        bundle.setting(name)
    return "read"


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.heads = nn.Linear(3, 2), nn.ModuleDict({"ich": nn.Linear(2, 2)})


def _weights_seeds(kind: str) -> Callable[[], dict[str, bytes]]:
    def make() -> dict[str, bytes]:
        torch.manual_seed(0)
        state = _Small().state_dict()
        if kind == "safetensors":
            return {"small": save(state)}
        buffer = io.BytesIO()
        torch.save(state, buffer)
        old = io.BytesIO()
        torch.save({"state_dict": state}, old, _use_new_zipfile_serialization=False)
        return {"zip": buffer.getvalue(), "old": old.getvalue()}

    return make


def _weights(suffix: str) -> Callable[[Path, bytes], str]:
    def run(folder: Path, data: bytes) -> str:
        path = folder / f"model.{suffix}"
        path.write_bytes(data)
        load_trained(_Small(), path)
        return "loaded"

    return run


class _Silent:
    def found(self, images: int) -> None: ...
    def planned(self, series: int, done: int) -> None: ...
    def answered(self) -> None: ...


_TABLES = ("studies.csv", "slices.csv", "rejected.csv")


@functools.cache
def _batch() -> tuple[Path, BundleSource, Path, dict[str, bytes], dict[str, bytes]]:
    """Inputs and bundle of a small batch, and what it leaves: the journals and the tables of a whole run."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-batch-"))
    spread(root / "inputs", {**{f"{i}.nii.gz": seeds.nifti_gz()["first"] for i in range(3)}, "damaged.dcm": b"x"})
    source = BundleSource(root / "bundle", write_bundle(root / "bundle", "test_vit", 32, runtime="torch", device="cpu"))
    _predict(root / "inputs", root / "out", source)
    left = {path.name: path.read_bytes() for path in (root / "out").iterdir() if path.suffix == ".sqlite"}
    return root / "inputs", source, root / "out", left, _tables(root / "out")


def _tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in _TABLES}


def _predict(inputs: Path, out: Path, source: BundleSource) -> None:
    def engine(_: BundleSource, tasks: object) -> object:
        for series in itertools.islice(tasks, None):
            name = {"study": series.study, "series": series.series}
            row = {**name, "outcome": "negative", **dict.fromkeys(PROBABILITIES.split(","), "0.100000"), "flags": ""}
            yield series, Answer(None, row, [{**name, "slice": 0, "state": "classified", "p_ich": "0.100000"}])

    run_batch([inputs], out, source, engine, BatchOptions(workers=1), _Silent())


def _journal(folder: Path, data: bytes) -> str:
    """Continue a run in a folder whose journal was changed; the tables have to be those of a whole run."""
    inputs, source, _, _, whole = _batch()
    (folder / "journal.sqlite").write_bytes(data)
    _predict(inputs, folder, source)
    return "same tables" if _tables(folder) == whole else "other tables"


def _journal_seeds() -> Mapping[str, bytes]:
    return _batch()[3]


TARGETS = (
    Target("evaluate", _evaluation_seeds, _files(_evaluate, "predictions.csv"), mutate_files),
    Target("audit", _audit_seeds, _files(_audit, "slices.csv"), mutate_files),
    Target("calibration", _calibration_seeds, _calibration, mutate_json),
    Target("datalist_csv", _datalist_csv_seeds, _datalist("slices.csv"), mutate_text),
    Target("datalist_json", _datalist_json_seeds, _datalist("data.json"), mutate_json),
    Target("config", _config_seeds, _config, mutate_json),
    Target("safetensors", _weights_seeds("safetensors"), _weights("safetensors"), mutate_bytes),
    Target("checkpoint", _weights_seeds("pt"), _weights("pt"), mutate_bytes),
    Target("journal", _journal_seeds, _journal, mutate_sqlite),
)
