"""How much a network's answers depend on each column of clinical data."""

import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ichmonai.clinical import ClinicalTable
from ichmonai.errors import InputError
from ichmonai.evaluation.intervals import Estimate, estimate
from ichmonai.evaluation.metrics import Estimator
from ichmonai.evaluation.ranking import Ranking
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.tables import write_csv

logger = logging.getLogger(__name__)

WHOLE = "(all columns)"
REPEATS = 20
"""Permutations of a column, over which its importance is a mean."""


class Seen(NamedTuple):
    """What a network saw of N slices.

    Attributes:
        features: of the images, (N, F) float.
        clinical: of their studies, (N, W) float.
        positive: (N,) whether there is haemorrhage.
        unit: (N,) number of the study or patient that the row is of.
        patient: (N,) number of the patient.
    """

    features: Tensor
    clinical: Tensor
    positive: NDArray[np.bool_]
    unit: NDArray[np.intp]
    patient: NDArray[np.intp]


def permutation_importance(
    network: SliceClassifier, seen: Seen, table: ClinicalTable, seed: int = 0
) -> dict[str, Estimate]:
    """The AUC of haemorrhage that is lost where a column is another study's, with 95% intervals over patients.

    A column is permuted between the studies, and all slices of a study keep the same value. It is the network that is
    measured: a column can tell much of a haemorrhage and add nothing to what the image shows.

    Args:
        network: with a branch for clinical data.
        seen: of unseen patients.
        table: its columns are those of `seen.clinical`.
        seed: of the permutations and of the intervals.

    Returns:
        Column -> AUC lost, `WHOLE` first: what is lost without any clinical data. `auc` is that with all of it.
    """
    generator = np.random.default_rng(seed)
    units, first = np.unique(seen.unit, return_index=True)
    scored = {"auc": [_ranking(network, seen, seen.clinical)]}
    scored[WHOLE] = [_ranking(network, seen, torch.zeros_like(seen.clinical))]
    start = 0
    for column in table.columns:
        places = slice(start, start + column.width)
        start = places.stop
        scored[column.name] = []
        for _ in range(REPEATS):
            of_others = seen.clinical[first[generator.permutation(len(units))]]
            clinical = seen.clinical.clone()
            clinical[:, places] = of_others[np.searchsorted(units, seen.unit)][:, places]
            scored[column.name].append(_ranking(network, seen, clinical))
    patients = int(seen.patient.max()) + 1
    found = estimate({"importance": _lost(scored)}, patients, seed=seed)["importance"]
    return found


def _lost(scored: Mapping[str, list[Ranking]]) -> Estimator:
    def estimator(weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        means = {name: np.mean([one(weights)[0] for one in rankings], axis=0) for name, rankings in scored.items()}
        whole = means.pop("auc")
        return {"auc": whole, **{name: whole - mean for name, mean in means.items()}}

    return estimator


def _ranking(network: SliceClassifier, seen: Seen, clinical: Tensor) -> Ranking:
    if network.clinical is None:
        raise InputError("The network takes no clinical data, so that there is nothing to weigh; train it with some.")
    with torch.no_grad():
        logits = network.heads(network.clinical(seen.features, clinical)).float().cpu().numpy()
    # Of DTViT's head the difference of its two logits; of RSNA's labels the first, any haemorrhage.
    score = logits[:, 1] - logits[:, 0] if "ich" in network.heads.heads else logits[:, 0]
    return Ranking(seen.positive, score, seen.patient)


def look(network: SliceClassifier, batches: DataLoader, table: ClinicalTable) -> Seen:
    """Run the encoder on labelled slices.

    Args:
        network: put into evaluation mode.
        batches: with `image`, `label`, `clinical`, and the table's key and `patient`.
        table: whose key says which slices are of one row.
    """
    network.eval()
    device = next(network.parameters()).device
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    units: list[Any] = []
    patients: list[Any] = []
    with torch.no_grad():
        for batch in batches:
            image = batch["image"].as_tensor() if hasattr(batch["image"], "as_tensor") else batch["image"]
            features = network.encoder(image.to(device))
            parts.append((features, batch["clinical"].to(device), batch["label"][:, 0].cpu()))
            units += list(batch[table.rows.key])
            patients += list(batch["patient"])
    features, clinical, label = (torch.cat(part) for part in zip(*parts, strict=True))
    unit, patient = (np.unique(keys, return_inverse=True)[1] for keys in (units, patients))
    return Seen(features, clinical, label.numpy() == 1, unit, patient)


def write_importance(
    network: SliceClassifier, batches: DataLoader, table: ClinicalTable, directory: str | PathLike[str], seed: int = 0
) -> None:
    """Write `clinical.csv`: the importance of each column on labelled slices, see `permutation_importance`.

    Args:
        network: as for `look`.
        batches: as for `look`.
        table: as for `look`.
        directory: of the file.
        seed: as for `permutation_importance`.
    """
    found = permutation_importance(network, look(network, batches, table), table, seed)
    whole = found.pop("auc")
    rows = [
        {"column": name, "auc_lost": f"{one.value:.4f}", "low": f"{one.low:.4f}", "high": f"{one.high:.4f}"}
        for name, one in found.items()
    ]
    write_csv(Path(directory) / "clinical.csv", ("column", "auc_lost", "low", "high"), rows)
    lost = ", ".join(f"{row['column']} {row['auc_lost']} ({row['low']} to {row['high']})" for row in rows)
    logger.info("AUC of haemorrhage with the clinical data %.3f; lost without: %s.", whole.value, lost)
