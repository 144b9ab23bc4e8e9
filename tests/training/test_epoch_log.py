import csv

import pytest
from PIL import Image

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
