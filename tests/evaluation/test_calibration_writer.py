import csv

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, CopyItemsd, Lambdad
from torch import nn

from ichmonai.datasets import SliceDataset
from ichmonai.evaluation import Calibration, evaluate
from ichmonai.evaluation.calibration_writer import CalibrationWriter
from ichmonai.prediction import SliceInferer
from ichmonai.study_rule import RULE
from ichmonai.training import ShardSampler

LABELS = [[0, -1], [1, 0], [0, -1], [0, -1], [0, -1], [0, -1], [1, 0], [1, 2], [1, 2], [0, -1], [0, -1], [0, -1]]


def image_of(path):
    return torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(int(path)))


def fit(folder, places=False):
    """Fit as evaluate.json does; three slices a patient, numbered from the highest to the lowest."""
    torch.manual_seed(0)
    items = [
        {"image": f"{n}", "patient": f"p{n // 3}", "label": np.array(label)}
        | ({"study": f"s{n // 3}", "slice": 2 - n % 3} if places else {})
        for n, label in enumerate(LABELS)
    ]
    dataset = SliceDataset(items, Compose([CopyItemsd("image", names="image_path"), Lambdad("image", image_of)]))
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(dataset, sampler=ShardSampler(dataset), batch_size=5),
        network=nn.Sequential(nn.Flatten(), nn.Linear(16, 5)),
        inferer=SliceInferer(),
        val_handlers=[CalibrationWriter(folder / "validation.csv", folder / "calibration.json")],
        decollate=False,
    ).run()
    return folder


def rows_of(folder):
    with (folder / "validation.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_is_what_the_command_fits_on_the_written_predictions(tmp_path):
    calibration = Calibration.read(fit(tmp_path) / "calibration.json")
    assert (calibration.n, calibration.patients) == (12, 4)
    assert set(calibration.thresholds) == {"slice", "patient"}
    other = "image,patient,ich,location,p_ich,p_deep,p_lobar,p_subtentorial\nx,q,1,deep,0.5,1,0,0\n"
    (tmp_path / "test.csv").write_text(other)
    found = evaluate(tmp_path / "test.csv", validation=tmp_path / "validation.csv", resamples=2)
    assert found.calibration == calibration


def test_series_whose_slices_are_known_get_a_threshold_by_the_rule_of_inference(tmp_path):
    calibration = Calibration.read(fit(tmp_path, places=True) / "calibration.json")
    rows = rows_of(tmp_path)
    assert [(row["study"], row["slice"]) for row in rows[:4]] == [("s0", "2"), ("s0", "1"), ("s0", "0"), ("s1", "2")]
    assert calibration.study_rule == RULE
    threshold = calibration.study_threshold("sensitivity_95")
    scores = calibration.scale("ich", np.array([float(row["p_ich"]) for row in rows])).reshape(4, 3)
    series = np.minimum(scores[:, 1:], scores[:, :-1]).max(axis=1)  # neighbours are neighbours from either end
    truth = np.array([label[0] for label in LABELS]).reshape(4, 3).max(axis=1)
    assert truth.tolist() == [1, 0, 1, 0]
    assert (series[truth == 1] > threshold).all()
    assert calibration.thresholds["series"]["ich"]["sensitivity_95"] == threshold


def test_two_ranks_fit_what_one_process_fits(tmp_path, on_two_ranks):
    one = Calibration.read(fit(tmp_path) / "calibration.json")

    def run():
        folder = tmp_path / f"rank{torch.distributed.get_rank()}"
        folder.mkdir()
        fit(folder)
        torch.distributed.barrier()

    on_two_ranks(run)
    two = Calibration.read(tmp_path / "rank0" / "calibration.json")
    assert two.temperature == pytest.approx(one.temperature, rel=1e-3)
    assert not list((tmp_path / "rank1").iterdir())
