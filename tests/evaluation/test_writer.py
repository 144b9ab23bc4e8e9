import csv
import hashlib
import json

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, CopyItemsd, Lambdad
from torch import nn

from ichmonai import evaluation
from ichmonai.classes import LOCATIONS
from ichmonai.datasets import SliceDataset
from ichmonai.evaluation import Calibration
from ichmonai.evaluation.metrics import head_metrics
from ichmonai.evaluation.writer import EvaluationWriter
from ichmonai.networks import softmax_heads
from ichmonai.prediction import SliceInferer
from ichmonai.training import HeadMetrics, ShardSampler

LABELS = [[0, -1], [1, 0], [1, 1], [1, 2], [1, -1], [0, -1], [1, 0], [0, -1], [1, 2], [1, 1], [0, -1]]


def image_of(path):
    return torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(int(path)))


def network(columns):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, columns))


def evaluate(folder, columns=5, labels=LABELS, calibration=None):
    """Evaluate as evaluate.json does, and return the probabilities in the order of the dataset."""
    weights = folder.parent / "model.pt"
    if not weights.exists():
        weights.write_bytes(b"weights")
    items = [
        {"image": f"{n}", "patient": f"p{n // 2}", "sha256": "", "label": np.array(label)}
        for n, label in enumerate(labels)
    ]
    dataset = SliceDataset(items, Compose([CopyItemsd("image", names="image_path"), Lambdad("image", image_of)]))
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(dataset, sampler=ShardSampler(dataset), batch_size=2),
        network=network(columns),
        inferer=SliceInferer(),
        key_val_metric={"key_metric": HeadMetrics()},
        val_handlers=[EvaluationWriter(folder, weights, "validation", calibration)],
        decollate=False,
    ).run()
    with torch.no_grad():
        logits = network(columns)(torch.stack([image_of(item["image"]) for item in items]))
    return softmax_heads(logits)


def read(folder):
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    return rows, json.loads((folder / "metrics.json").read_text(), parse_constant=no_constant)


@pytest.mark.parametrize("columns", [5, 6])
def test_files_say_what_was_found(tmp_path, columns):
    probabilities = evaluate(tmp_path / "evaluation", columns)
    rows, record = read(tmp_path / "evaluation")
    assert [row["image"] for row in rows] == [str(n) for n in range(11)]
    assert [row["patient"] for row in rows] == [f"p{n // 2}" for n in range(11)]
    assert [int(row["ich"]) for row in rows] == [label[0] for label in LABELS]
    assert [row["location"] for row in rows] == [LOCATIONS[k] if k >= 0 else "" for _, k in LABELS]
    written = [[float(row[f"p_{name}"]) for name in ("ich", *LOCATIONS)] for row in rows]
    np.testing.assert_allclose(written, probabilities[:, 1:], atol=1e-6)

    expected = head_metrics(probabilities.numpy(), np.array(LABELS))
    found = {name: metric["value"] for name, metric in record["metrics"].items() if name in expected}
    assert found == pytest.approx({k: None if np.isnan(v) else v for k, v in expected.items()})
    assert "key_metric" not in record["metrics"]
    assert (record["split"], record["slices"], record["patients"]) == ("validation", 11, 6)
    low, high = record["metrics"]["ich_accuracy"]["interval_95"]
    assert 0 <= low <= found["ich_accuracy"] <= high <= 1

    assert record["metrics"]["mean_balanced_accuracy"].keys() == {"value"}, "the engine's own, without an interval"
    assert record["levels"]["patient"]["metrics"]["ich_auc"]["value"] is not None
    assert "not for clinical use" in (tmp_path / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "evaluation" / "metrics.csv").is_file()

    run = json.loads((tmp_path / "evaluation" / "run.json").read_text())
    assert run["weights"] == {"file": "model.pt", "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert "not for clinical use" in run["notice"]
    for name in ("confusion_ich.png", "confusion_location.png"):
        assert (tmp_path / "evaluation" / name).read_bytes().startswith(b"\x89PNG")


def test_metrics_that_are_not_defined_are_null(tmp_path):
    evaluate(tmp_path / "evaluation", labels=[[0, -1]] * 4)
    _, record = read(tmp_path / "evaluation")
    assert record["metrics"]["ich_auc"]["value"] is None
    assert record["metrics"]["location_accuracy"]["interval_95"] == [None, None]
    assert record["metrics"]["ich_accuracy"]["value"] is not None


def test_the_command_says_the_same_of_the_predictions(tmp_path):
    evaluate(tmp_path / "evaluation")
    _, record = read(tmp_path / "evaluation")
    found = evaluation.evaluate(tmp_path / "evaluation" / "predictions.csv")
    for name, one in found.finest.heads["ich"].metrics.items():
        written = record["metrics"][f"ich_{name}"]
        assert written["value"] == pytest.approx(one.value, rel=1e-4)
        assert written["interval_95"] == pytest.approx([one.low, one.high], rel=1e-4)


def test_calibration_kept_with_the_weights(tmp_path):
    Calibration({"ich": 2.0}, {"slice": {"ich": {"specificity_90": 0.5}}}).write(tmp_path / "calibration.json")
    evaluate(tmp_path / "evaluation", calibration=tmp_path / "calibration.json")
    _, record = read(tmp_path / "evaluation")
    assert record["temperature"] == {"ich": 2.0}
    point = record["heads"]["ich"]["operating_points"]["specificity_90"]
    assert point["sensitivity"]["value"] == record["metrics"]["ich_sensitivity"]["value"]


def test_two_ranks_write_what_one_process_writes(tmp_path, on_two_ranks):
    evaluate(tmp_path / "one")

    def run():
        evaluate(tmp_path / f"rank{torch.distributed.get_rank()}")
        torch.distributed.barrier()

    on_two_ranks(run)
    (rows, record), (rows_of_one, record_of_one) = read(tmp_path / "rank0"), read(tmp_path / "one")
    assert [row["image"] for row in rows] == [str(n) for n in range(11)]
    for row, other in zip(rows, rows_of_one, strict=True):
        assert {k: v for k, v in row.items() if k[:2] != "p_"} == {k: v for k, v in other.items() if k[:2] != "p_"}
        assert float(row["p_ich"]) == pytest.approx(float(other["p_ich"]), abs=2e-6)
    assert record["slices"] == record_of_one["slices"] == 11
    assert not (tmp_path / "rank1").exists()
