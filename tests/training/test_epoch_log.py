import csv
import math

import pytest
from PIL import Image

from ichmonai.training.epoch_table import EpochTable
from tests.training.tiny_training import tiny_trainer


def rows(directory):
    with (directory / "epochs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_an_epoch_and_pictures(tmp_path):
    trainer = tiny_trainer(tmp_path, max_epochs=3, interval=2)
    trainer.run()
    log = rows(tmp_path)
    assert [row["epoch"] for row in log] == ["1", "2", "3"]
    assert [bool(row["val_loss"]) for row in log] == [False, True, False]
    assert float(log[2]["train_loss"]) == pytest.approx(trainer.state.metrics["train_loss"])
    assert "train_mean_balanced_accuracy" in log[0]
    assert not any("key_metric" in name for name in log[0])
    for name in ("curves.png", "confusion_ich.png", "confusion_location.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 200
            assert len(picture.convert("L").getcolors()) > 10


def test_new_training_replaces_the_rows_of_an_old_one(tmp_path):
    tiny_trainer(tmp_path, max_epochs=2).run()
    (tmp_path / "last.pt").unlink()
    tiny_trainer(tmp_path, max_epochs=1, learning_rate=0.02).run()
    assert [row["epoch"] for row in rows(tmp_path)] == ["1"]


def test_the_screen_has_a_short_row_an_epoch_with_the_best_and_the_time_left(tmp_path, capsys):
    tiny_trainer(tmp_path, max_epochs=3, interval=2).run()
    lines = capsys.readouterr().err.splitlines()
    assert all(len(line) < 120 for line in lines)
    first, second, third = (line.split() for line in lines if "/3" in line)
    headers = [line for line in lines if "best so far" in line]
    assert len(headers) == 2, "the first validation brings columns"
    for word in ("epoch", "training loss", "validation loss", "mean balanced accuracy", "AUC", "took", "left"):
        assert word in headers[-1]
    assert [row[0] for row in (first, second, third)] == ["1/3", "2/3", "3/3"]
    log = rows(tmp_path)
    assert first[1:4] == [f"{float(log[0]['train_loss']):.4f}", "-", "-"], "not validated"
    assert f"{float(log[1]['val_mean_balanced_accuracy']):.4f}" in second
    assert "*" in second
    assert "*" not in third
    assert third[-1] == "0:00"


def test_what_is_not_defined_has_no_column_on_the_screen(capsys):
    table = EpochTable("val_log_loss_skill")
    epochs = [
        {"epoch": 1, "train_loss": 2.0, "val_loss": math.nan, "val_log_loss_skill": math.nan, "val_any_auc": math.nan}
    ]
    table.show(epochs, 9)
    epochs.append({"epoch": 2, "train_loss": 1.0, "val_loss": 3.0, "val_log_loss_skill": -0.5, "val_any_auc": 0.75})
    table.show(epochs, 9)
    said = capsys.readouterr().err
    assert "nan" not in said
    first, _, second, row = said.splitlines()
    assert "AUC" not in first
    assert "AUC" in second
    assert row.split()[:6] == ["2/9", "1.0000", "3.0000", "-0.5000", "*", "0.7500"]
