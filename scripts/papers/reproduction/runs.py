"""One training and its evaluation, through the bundle's configs, so that a killed experiment goes on where it was."""

import contextlib
import csv
import gc
import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import monai.bundle
import torch

from ichmonai.errors import InputError
from ichmonai.paths import bundle_root

OVERLAY = Path(__file__).with_name("divided.json")
"""Lets the bundle take a split that `protocols.write_split` recorded in place of a dataset."""


@dataclass(frozen=True)
class Run:
    """A training and what is judged after it.

    Attributes:
        name: of the row; a folder name.
        protocol: one of `protocols.PROTOCOLS`.
        replicated: the published replication: of all slices before the split, or of the training part alone.
        judged: part of the split that is evaluated.
        last_epoch: judge the last epoch, whose weights the published code saved, and not the best on the validation.
        overrides: of the bundle's parameters.
        rsna: train for RSNA's six labels.
    """

    name: str
    protocol: str
    replicated: bool = False
    judged: str = "test"
    last_epoch: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    rsna: bool = False

    @property
    def split_name(self) -> str:
        """Name of the file of its split."""
        return f"{self.protocol}{'_replicated' if self.replicated and self.protocol == 'published' else ''}"


def train_and_evaluate(run: Run, split: Path, folder: Path) -> None:
    """Train and evaluate, or what is left of that; `is_finished` then holds.

    Args:
        run: what to do.
        split: file of `protocols.write_split`.
        folder: of this run.

    Raises:
        InputError: the folder is of a run with other settings.
    """
    claim(folder, {"split_sha256": hashlib.sha256(split.read_bytes()).hexdigest(), **_settings(run)})
    if is_finished(folder):
        return
    options = {**run.overrides, "dataset_dir": str(split.resolve()), "output_dir": str(folder.resolve())}
    configs = ["scopeformer" if run.rsna else "dtvit"]
    started, fresh = time.monotonic(), not (folder / "last.pt").is_file()
    if not (folder / "final.pt").is_file():
        _bundle("training", configs, **options, resume=True)
        weights = _weights_to_judge(run, folder)
        partial = folder / "final.pt.partial"
        torch.save(weights, partial)
        partial.replace(folder / "final.pt")
        seconds = round(time.monotonic() - started, 1) if fresh else None
        (folder / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    _bundle("evaluating", [*configs, "evaluate"], **options, split=run.judged, ckpt_path=str(folder / "final.pt"))
    (folder / "last.pt").unlink(missing_ok=True)  # with the optimiser's state three times the weights
    (folder / "model.pt").unlink(missing_ok=True)


def is_finished(folder: Path) -> bool:
    """Whether a run's evaluation was written."""
    return (folder / "evaluation" / "run.json").is_file()


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _bundle(run_id: str, configs: list[str], **options: Any) -> None:
    files = [*(f"configs/{name}.json" for name in configs), str(OVERLAY)]
    with contextlib.chdir(bundle_root()):  # where configs take parts of one another from
        monai.bundle.run(run_id=run_id, config_file=files, **options)
    gc.collect()  # the workflow and its cached images hold each other


def _weights_to_judge(run: Run, folder: Path) -> dict[str, Any]:
    name = "last.pt" if run.last_epoch or not (folder / "model.pt").is_file() else "model.pt"
    state = torch.load(folder / name, map_location="cpu", weights_only=True)
    return state["network"] if name == "last.pt" else state


def _settings(run: Run) -> dict[str, Any]:
    return {
        "judged": run.judged,
        "last_epoch": run.last_epoch,
        "rsna": run.rsna,
        "overrides": run.overrides,
    }


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Note the settings in a new folder, or compare them with those of a folder that is there."""
    path = folder / "settings.json"
    text = json.dumps(settings, indent=2, default=str) + "\n"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise InputError(f"{folder} was begun with other settings or data; repeat those, or give another --out.")
