"""Slices of any source with the six labels of RSNA 2019."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets import DatasetError, count_classes, label_prevalence, load_six_labels
from ichmonai.evaluation.multilabel import multilabel_metrics
from ichmonai.training import MultiLabelLogLoss, MultiLabelMetrics

ROWS = """image,patient,ich,location,epidural,intraparenchymal,intraventricular,subarachnoid,subdural
0.png,a,0,,,,,,
1.png,a,1,,0,1,1,0,0
2.png,b,1,deep,,,,,
3.png,b,1,,,,,,
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "slices.csv").write_text(ROWS)
    return tmp_path


def test_what_is_not_known_is_nan(listed: Path) -> None:
    items = load_six_labels(listed)
    expected = [[0] * 6, [1, 0, 1, 1, 0, 0], [1, np.nan, 1, *[np.nan] * 3], [1, *[np.nan] * 5]]
    np.testing.assert_array_equal([item["label"] for item in items], expected)
    assert [(item["series"], item["slice"]) for item in items] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    counts = count_classes(items)
    assert (counts["normal"], counts["intraparenchymal"], counts["ich"], counts["epidural"]) == (1, 2, 1, 0)
    shares = dict(zip(RSNA_LABELS, label_prevalence(items), strict=True))
    assert shares["any"] == 0.75
    assert shares["intraventricular"] == 0.5
    assert shares["intraparenchymal"] == pytest.approx(2 / 3)


def test_a_set_without_known_kinds_is_refused(listed: Path) -> None:
    text = ROWS.replace("1.png,a,1,,0,1,1,0,0", "1.png,a,1,,,1,1,0,0")
    (listed / "slices.csv").write_text(text)
    with pytest.raises(DatasetError, match="all of whose kinds are known"):
        load_six_labels(listed)


def test_nothing_is_learnt_of_a_label_that_is_not_known() -> None:
    logits = torch.randn(2, 6, requires_grad=True)
    labels = torch.tensor([[1, 0, 1, 0, 0, 0], [1, torch.nan, 1, torch.nan, torch.nan, 0]])
    MultiLabelLogLoss()(logits, labels).backward()
    assert logits.grad is not None
    assert (logits.grad[1] == 0).tolist() == [False, True, False, True, True, False]
    assert logits.grad[0].all()


def test_a_slice_with_an_unknown_label_is_not_judged() -> None:
    logits = torch.randn(9, 6)
    labels = (torch.rand(9, 6) > 0.5).float()
    labels[4, 2] = torch.nan
    metric = MultiLabelMetrics([0.5] * 6)
    metric.update((logits, labels))
    known = [row for row in range(9) if row != 4]
    expected = multilabel_metrics(logits[known].double().sigmoid().numpy(), labels[known].numpy(), [0.5] * 6)
    assert metric.compute()["log_loss"] == expected["log_loss"]
