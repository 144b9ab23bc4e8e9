"""Cross-validation of the bundle's training: every patient is tested once, by a network that has not seen them.

Patients are divided into folds, stratified by their rarest class; those who share an image stay together. Each fold is
trained and evaluated by the bundle's own configs in a process of its own, and its predictions of its test patients are
pooled and evaluated like any others.
"""

import contextlib
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.bundle.config_parser import ConfigParser

from ichmonai.datasets import make_folds, write_splits
from ichmonai.datasets.item import has_rsna_labels
from ichmonai.errors import InputError
from ichmonai.evaluation import evaluate, write_evaluation
from ichmonai.evaluation.folds_table import folds_page, folds_table
from ichmonai.evaluation.intervals import RESAMPLES
from ichmonai.notice import NOTICE
from ichmonai.paths import bundle_root
from ichmonai.private_files import make_folder, write_text
from ichmonai.tables import write_csv
from ichmonai.training.workflows import config_files, require_known, run_workflow

FIXED = (
    *("bundle_root", "dataset_dir", "output_dir", "ckpt_path", "evaluation_dir"),
    *("resume", "seed", "split", "split_fractions"),
)
"""Settings of a training that the cross-validation decides itself."""


@dataclass(frozen=True)
class CrossValidation:
    """A cross-validation in a folder, where it can be interrupted and gone on with.

    Attributes:
        data: dataset, as `dataset_dir` of a training.
        out: folder of the folds and of the pooled results.
        folds: number of folds.
        validation: share of the patients outside a fold's test who choose its epoch.
        seed: of the folds and of each training.
        configs: of a training, the later ones laid over the earlier: names in the bundle, or files.
        settings: of these configs, as text.
        say: is told what begins.
    """

    data: Path
    out: Path
    folds: int = 5
    validation: float = 0.15
    seed: int = 0
    configs: Sequence[str] = ("train",)
    settings: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = print

    def prepare(self) -> None:
        """Make the folds and write the split of each, or check that these settings made them.

        Raises:
            InputError: others did, the data cannot be divided, or a setting is unknown or one that is decided here.
        """
        if fixed := sorted(self.settings.keys() & set(FIXED)):
            raise InputError(f"--set {fixed[0]} cannot be given: the cross-validation decides it; leave it out.")
        record = {
            "notice": NOTICE,
            "data": str(self.data.resolve()),
            "folds": self.folds,
            "validation": self.validation,
            "seed": self.seed,
            "configs": list(self.configs),
            "settings": dict(self.settings),
        }
        path = self.out / "crossval.json"
        if path.is_file():
            if json.loads(path.read_text(encoding="utf-8")) != record:
                raise InputError(f"{path} is of another command; repeat that one to go on, or use another --out.")
            return
        parser = ConfigParser()
        with contextlib.chdir(bundle_root()):  # where configs take parts of one another from
            parser.read_config(config_files(self.configs))
            require_known(list(self.settings), parser)
            parser.parse()
        parser.update({**self.settings, "dataset_dir": str(self.data.resolve())})
        items = parser.get_parsed_content("readable")
        if has_rsna_labels(items[0]):
            raise InputError(f"{self.data} has RSNA's labels; cross-validation is of the network with two heads.")
        divided = make_folds(items, self.folds, self.validation, self.seed)
        make_folder(self.out)
        for fold, splits in enumerate(divided, 1):
            write_splits(items, splits, self.folder(fold) / "split.json", self._fractions(), self.seed)
        write_text(path, json.dumps(record, indent=2) + "\n")

    def run_fold(self, fold: int) -> None:
        """Train and evaluate a fold, from 1 on, unless its evaluation is there.

        Raises:
            InputError: one of the two failed.
        """
        here = self.folder(fold)
        if (here / "evaluation" / "run.json").is_file():  # which is the last file of an evaluation
            self.say(f"fold {fold} of {self.folds}: evaluated before")
            return
        settings = {
            **self.settings,
            "dataset_dir": str(self.data.resolve()),
            "output_dir": str(here.resolve()),
            "seed": str(self.seed),
            "split_fractions": json.dumps(self._fractions()),
        }
        self._run("training", fold, self.configs, {**settings, "resume": "True"})
        self._run("evaluating", fold, [*self.configs, "evaluate"], settings)

    def pool(self, resamples: int = RESAMPLES) -> None:
        """Evaluate what all folds predicted of the patients that they left out.

        It leaves `predictions.csv` (every slice, with its `fold`), the files of `write_evaluation`, `folds.csv` (each
        metric in every fold, their mean and standard deviation, pooled with its interval), and the main ones to read,
        `crossval.md`.

        Args:
            resamples: of the patients, for the intervals.
        """
        rows: list[dict[str, Any]] = []
        records = []
        for fold in range(1, self.folds + 1):
            evaluation = self.folder(fold) / "evaluation"
            with (evaluation / "predictions.csv").open(newline="", encoding="utf-8") as file:
                rows += [{"fold": fold, **row} for row in csv.DictReader(file)]
            records.append(json.loads((evaluation / "metrics.json").read_text(encoding="utf-8")))
        write_csv(self.out / "predictions.csv", rows[0], rows)
        pooled = evaluate(self.out / "predictions.csv", resamples=resamples, split="out of fold")
        write_evaluation(pooled, self.out)
        table = list(folds_table(records, pooled))
        write_csv(self.out / "folds.csv", table[0], table)
        write_text(self.out / "crossval.md", folds_page(pooled, table, self.validation, self.seed))

    def folder(self, fold: int) -> Path:
        """Where a fold has its split, weights, calibration and evaluation."""
        return self.out / f"fold_{fold}"

    def _run(self, run_id: str, fold: int, configs: Sequence[str], settings: Mapping[str, str]) -> None:
        self.say(f"fold {fold} of {self.folds}: {run_id}")
        run_workflow(run_id, config_files(configs), settings, f" of fold {fold}")

    def _fractions(self) -> list[float]:
        """Shares of the splits, for the record and for the comparison that a training makes with it."""
        test = 1 / self.folds
        validation = (1 - test) * self.validation
        return [round(part, 6) for part in (1 - test - validation, validation, test)]
