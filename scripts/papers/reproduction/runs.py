"""One training and its evaluations, through the bundle's configs, so that a killed command goes on where it was.

A training's folder is named by the digest of all that decides its outcome, so tables share those they have in common.
"""

import contextlib
import gc
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import monai.bundle
import torch

from ichmonai.paths import bundle_root
from scripts.papers.reproduction.records import claim, note_attempt

OVERLAY = Path(__file__).with_name("divided.json")
"""Lets the bundle take a split that `protocols.write_split` recorded in place of a dataset."""

PARTS = ("validation", "test")
"""Of a split; a training is judged on both."""

_BEST, _LAST = "model.pt", "final.pt"


@dataclass(frozen=True)
class Run:
    """A training.

    Attributes:
        protocol: one of `protocols.PROTOCOLS`.
        replicated: the published replication: of all slices before the split, or of the training part alone.
        overrides: of the bundle's parameters, `backbone` and `seed` among them.
        rsna: train for RSNA's six labels.
    """

    protocol: str
    replicated: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    rsna: bool = False

    @property
    def split_name(self) -> str:
        """Name of the file of its split."""
        return f"{self.protocol}{'_replicated' if self.replicated and self.protocol == 'published' else ''}"

    def with_seed(self, seed: int) -> "Run":
        """The same training with another seed."""
        return replace(self, overrides={**self.overrides, "seed": seed})

    def settings(self, split: Path) -> dict[str, Any]:
        """All that decides the outcome."""
        digest = hashlib.sha256(split.read_bytes()).hexdigest()
        return {"split_sha256": digest, "rsna": self.rsna, "overrides": dict(sorted(self.overrides.items()))}

    def folder(self, out: Path, split: Path) -> Path:
        """Where the training is, or will be."""
        text = json.dumps(self.settings(split), default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return out / "runs" / f"{self.overrides['backbone']}-{self.protocol}-{digest}"

    def judged_weights(self, part: str) -> str:
        """Which epoch is judged: the last, whose weights the published code saved, or the best on the validation.

        The best is judged of the test with the patients apart; and of Scopeformer, whose paper gives its best models.
        """
        return _BEST if self.rsna or (self.protocol == "patient" and part == "test") else _LAST


def train_and_evaluate(run: Run, split: Path, folder: Path) -> None:
    """Train and evaluate, or what is left of that; `is_finished` then holds.

    Args:
        run: what to do.
        split: file of `protocols.write_split`.
        folder: of this run.
    """
    claim(folder, run.settings(split))
    if is_finished(folder):
        return
    note_attempt(folder)
    options = {**run.overrides, "dataset_dir": str(split.resolve()), "output_dir": str(folder.resolve())}
    configs = ["scopeformer" if run.rsna else "dtvit"]
    if not (folder / _LAST).is_file():
        _bundle("training", configs, **options, resume=True)
        state = torch.load(folder / "last.pt", map_location="cpu", weights_only=True)
        partial = folder / f"{_LAST}.partial"
        torch.save(state["network"], partial)
        partial.replace(folder / _LAST)
    for part in PARTS:
        if not _is_judged(folder, part):
            weights = folder / run.judged_weights(part)
            weights = weights if weights.is_file() else folder / _LAST  # no epoch may have had a defined key metric
            target = {"split": part, "ckpt_path": str(weights), "evaluation_dir": str(evaluation(folder, part))}
            _bundle("evaluating", [*configs, "evaluate"], **options, **target)
    for name in ("last.pt", _LAST):  # with the optimiser's state four times the weights; the best epoch's are kept
        (folder / name).unlink(missing_ok=True)


def evaluation(folder: Path, part: str) -> Path:
    """Where the evaluation on a part of the split is."""
    return folder / f"evaluation_{part}"


def is_finished(folder: Path) -> bool:
    """Whether a run's evaluations were written."""
    return all(_is_judged(folder, part) for part in PARTS)


def _is_judged(folder: Path, part: str) -> bool:
    return (evaluation(folder, part) / "run.json").is_file()


def _bundle(run_id: str, configs: list[str], **options: Any) -> None:
    files = [*(f"configs/{name}.json" for name in configs), str(OVERLAY)]
    with contextlib.chdir(bundle_root()):  # where configs take parts of one another from
        monai.bundle.run(run_id=run_id, config_file=files, **options)
    gc.collect()  # the workflow and its cached images hold each other
