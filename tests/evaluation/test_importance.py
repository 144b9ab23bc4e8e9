"""How much answers depend on each clinical column."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ichmonai.clinical import ClinicalTable, Column, read_rows
from ichmonai.evaluation.importance import WHOLE, Seen, permutation_importance
from ichmonai.networks import SliceClassifier


class Second(nn.Module):
    """Adds the first column's number to the feature that stands for haemorrhage, and ignores the others."""

    def forward(self, features: torch.Tensor, clinical: torch.Tensor) -> torch.Tensor:
        return features + torch.stack([torch.zeros(len(clinical)), 2 * clinical[:, 0]], 1)


def test_a_column_that_is_used_counts_and_one_that_is_not_does_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    patients = 60
    positive = np.arange(patients) % 2 == 1
    pressure, noise = rng.normal(positive * 1.5, 1), rng.normal(size=patients)
    path = tmp_path / "values.csv"
    lines = [f"p{i},{pressure[i]:.3f},{noise[i]:.3f}" for i in range(patients)]
    path.write_text("\n".join(["patient,pressure,noise", *lines]) + "\n")
    table = ClinicalTable(read_rows(path), [Column("pressure"), Column("noise")])
    network = SliceClassifier(nn.Identity(), 2, heads={"ich": 2})
    network.clinical = Second()  # type: ignore[assignment]
    head: nn.Linear = network.heads.heads["ich"]  # type: ignore[assignment]
    head.weight.data, head.bias.data = torch.eye(2), torch.zeros(2)
    of_slice = np.repeat(np.arange(patients), 3)
    images = torch.from_numpy(rng.normal(size=(len(of_slice), 2)) * [0, 1] + positive[of_slice, None] * [0, 0.7])
    data = torch.tensor([table({"patient": f"p{i}"}) for i in of_slice])
    seen = Seen(images.float(), data, positive[of_slice], of_slice, of_slice)
    found = permutation_importance(network, seen, table)
    assert list(found) == ["auc", WHOLE, "pressure", "noise"]
    assert found["auc"].value > 0.8
    assert found["pressure"].low > 0.05
    assert found["pressure"].low < found["pressure"].value < found["pressure"].high
    assert found[WHOLE].low > 0
    assert found["noise"] == pytest.approx((0, 0, 0), abs=1e-9)
    assert permutation_importance(network, seen, table) == found, "the same seed gives the same numbers"
