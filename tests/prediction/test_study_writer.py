import csv
import json

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from torch import nn

from ichmonai.networks import softmax_heads
from ichmonai.prediction import AggregateSlicesd, SliceInferer, SliceProbabilitiesd, study_probabilities
from ichmonai.prediction.study_writer import StudyWriter


class MeanAsLogit(nn.Module):
    """The mean of a slice is its ICH logit; deep is always likelier."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def forward(self, x):
        logits = torch.zeros(len(x), self.columns)
        logits[:, 1] = x.mean((1, 2, 3))
        logits[:, 2] = 1
        return logits


def volume(means, uids=None):
    data = torch.tensor(means).expand(3, 4, 4, -1).clone()
    return MetaTensor(data, meta={"filename_or_obj": "x", **({"sop_instance_uids": uids} if uids else {})})


STUDIES = {
    "quiet": ([-2.0, -3.0], ["1.1", "1.2"]),
    "bleeding": ([-2.0, 2.0, 3.0, -1.0], None),
    "noisy": ([-2.0, 5.0, -2.0], ["3.1", "3.2", "3.3"]),
    "one": ([1.0], ["4.1"]),
}


def predict(folder, columns=5, studies=STUDIES, digests=True):
    weights = folder.parent / "model.pt"
    weights.write_bytes(b"weights")
    items = [
        {"image": volume(*content), "study": name, **({"sha256": f"of {name}"} if digests else {})}
        for name, content in studies.items()
    ]
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items), batch_size=1),
        network=MeanAsLogit(columns),
        inferer=SliceInferer(batch_size=2),
        postprocessing=Compose([SliceProbabilitiesd("pred"), AggregateSlicesd("pred")]),
        val_handlers=[StudyWriter(folder, weights)],
    ).run()
    tables = []
    for name in ("studies.csv", "slices.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    return tables


@pytest.mark.parametrize("columns", [5, 6])
def test_tables(tmp_path, columns):
    studies, slices = predict(tmp_path / "out", columns)
    assert [row["study"] for row in studies] == ["bleeding", "one", "noisy", "quiet"]
    for row in studies:
        means, uids = STUDIES[row["study"]]
        with torch.no_grad():
            logits = MeanAsLogit(columns)(volume(means).as_tensor().movedim(-1, 0))
        expected = study_probabilities(softmax_heads(logits).T)
        written = [float(row[f"p_{name}"]) for name in ("ich", "deep", "lobar", "subtentorial")]
        np.testing.assert_allclose(written, expected[1:], atol=1e-6)
        assert int(row["slices"]) == len(means)
        assert int(row["leading_slice"]) == int(np.argmax(means))
        assert row["leading_sop_instance_uid"] == (uids[int(np.argmax(means))] if uids else "")
        assert row["sha256"] == f"of {row['study']}"
    expected = [
        (name, str(i), uid)
        for name, (means, uids) in STUDIES.items()
        for i, uid in enumerate(uids or [""] * len(means))
    ]
    assert [(row["study"], row["slice"], row["sop_instance_uid"]) for row in slices] == expected
    for row, mean in zip(slices, (m for means, _ in STUDIES.values() for m in means), strict=True):
        assert float(row["p_ich"]) == pytest.approx(1 / (1 + np.exp(-mean)), abs=1e-6)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (run["studies"], run["slices"]) == (4, 10)
    assert "study" not in run


def test_without_digests(tmp_path):
    studies, _ = predict(tmp_path / "out", digests=False)
    assert {row["sha256"] for row in studies} == {""}


def test_a_study_without_a_number_never_ranks_as_a_negative(tmp_path):
    studies, _ = predict(tmp_path / "out", studies={**STUDIES, "broken": ([float("nan")] * 2, None)})
    assert [row["study"] for row in studies] == ["bleeding", "one", "broken", "noisy", "quiet"]
    assert (studies[2]["outcome"], studies[2]["p_ich"]) == ("no_prediction", "nan")
