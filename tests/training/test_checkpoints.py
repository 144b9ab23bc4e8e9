import logging

import pytest
import torch

from ichmonai.errors import InputError
from tests.training.tiny_training import KilledError, tiny_trainer

FILES = ["epochs.csv", "last.pt", "model.json", "model.pt"]


@pytest.fixture(scope="module", autouse=True)
def _no_pictures():
    """Drawing them takes a second an epoch, and test_epoch_log.py looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("plot_curves", "save_confusion_matrices"):
            patch.setattr(f"ichmonai.training.epoch_log.{name}", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, _no_pictures):
    directory = tmp_path_factory.mktemp("uninterrupted")
    trainer = tiny_trainer(directory)
    trainer.run()
    return trainer, directory


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_files(uninterrupted):
    trainer, directory = uninterrupted
    assert sorted(path.name for path in directory.iterdir()) == FILES
    assert_same(load(directory / "last.pt")["network"], trainer.network.state_dict())
    assert load(directory / "last.pt")["epoch"] == 4
    assert load(directory / "model.pt").keys() == trainer.network.state_dict().keys()


@pytest.mark.parametrize("kills", [(8,), (2, 10), (5, 8, 16)], ids=str)
def test_killed_training_goes_on_to_the_same_result(tmp_path, uninterrupted, kills):
    """An epoch has five iterations, so that 8 is in the middle of the second."""
    _, expected = uninterrupted
    assert load(expected / "last.pt")["epoch_length"] == 5
    for kill in kills:
        with pytest.raises(KilledError):
            tiny_trainer(tmp_path, resume=True, kill_at=kill).run()
    trainer = tiny_trainer(tmp_path, resume=True)
    trainer.run()
    assert trainer.state.epoch == 4
    for name in ("last.pt", "model.pt"):
        assert_same(load(tmp_path / name), load(expected / name))
    assert (tmp_path / "epochs.csv").read_text() == (expected / "epochs.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_finished_training_can_go_on_for_more_epochs(tmp_path):
    tiny_trainer(tmp_path / "six", max_epochs=6).run()
    tiny_trainer(tmp_path / "two", max_epochs=2).run()
    tiny_trainer(tmp_path / "two", max_epochs=2, resume=True).run()  # nothing is left to do
    assert load(tmp_path / "two" / "last.pt")["epoch"] == 2
    tiny_trainer(tmp_path / "two", max_epochs=6, resume=True).run()
    assert_same(load(tmp_path / "two" / "last.pt"), load(tmp_path / "six" / "last.pt"))


def test_best_epoch_is_kept(tmp_path):
    trainer = tiny_trainer(tmp_path, max_epochs=3)
    scores, weights = iter([0.5, 0.9, 0.7]), []
    _judge_by(trainer, scores)
    trainer.add_event_handler(
        "EPOCH_COMPLETED", lambda: weights.append({k: v.clone() for k, v in trainer.network.state_dict().items()})
    )
    trainer.run()
    assert trainer.checkpoints.best_epoch == 2
    assert_same(load(tmp_path / "model.pt"), weights[1])


def test_a_calibration_goes_with_the_weights_that_it_was_fitted_to(tmp_path):
    calibration = tmp_path / "calibration.json"
    first = tiny_trainer(tmp_path, max_epochs=1)
    _judge_by(first, iter([0.5]))
    first.run()
    calibration.write_text("{}")
    second = tiny_trainer(tmp_path, max_epochs=2, resume=True)
    _judge_by(second, iter([0.4]))
    second.run()
    assert calibration.exists(), "the best weights are still the same"
    third = tiny_trainer(tmp_path, max_epochs=3, resume=True)
    _judge_by(third, iter([0.9]))
    third.run()
    assert not calibration.exists()


def _judge_by(trainer, scores):
    """Give the validation these scores, whatever the network does."""
    validator = trainer.checkpoints.validator
    validator.add_event_handler(
        "COMPLETED", lambda: validator.state.metrics.update(val_mean_balanced_accuracy=next(scores))
    )


def test_early_stopping_counts_across_a_resume(tmp_path, caplog):
    scores = [0.5, 0.4, float("nan"), 0.3, 0.9]
    first = tiny_trainer(tmp_path, max_epochs=2, patience=3)
    _judge_by(first, iter(scores))
    first.run()
    second = tiny_trainer(tmp_path, max_epochs=9, patience=3, resume=True)
    _judge_by(second, iter(scores[2:]))
    with caplog.at_level(logging.INFO):
        second.run()
    assert second.state.epoch == 4  # epochs 2, 3 and 4 brought nothing
    assert "has not improved since epoch 1" in caplog.text
    third = tiny_trainer(tmp_path, max_epochs=9, patience=3, resume=True)
    third.run()
    assert third.state.epoch == 4
    assert load(tmp_path / "last.pt")["epoch"] == 4


def test_validation_every_other_epoch(tmp_path):
    trainer = tiny_trainer(tmp_path, max_epochs=3, interval=2)
    trainer.run()
    assert trainer.checkpoints.best_epoch == 2
    assert load(tmp_path / "last.pt")["epoch"] == 3


def test_no_defined_score_is_warned_of(tmp_path, caplog):
    trainer = tiny_trainer(tmp_path, max_epochs=2)
    _judge_by(trainer, iter([float("nan")] * 2))
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert "there is no model.pt" in caplog.text
    assert not (tmp_path / "model.pt").exists()


def refusal(directory, **options):
    with pytest.raises(InputError) as info:
        tiny_trainer(directory, **options).run()
    return str(info.value)


def test_checkpoint_that_does_not_fit_is_refused_in_one_sentence(tmp_path):
    tiny_trainer(tmp_path, max_epochs=1).run()
    before = (tmp_path / "last.pt").read_bytes()
    assert "set resume to continue it, or use another output_dir" in refusal(tmp_path)
    assert "is a checkpoint of another network" in refusal(tmp_path, resume=True, width=8)
    assert "5 iterations an epoch, not 10" in refusal(tmp_path, resume=True, training_slices=40)
    assert (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["empty", "half", "text", "state_dict"])
def test_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, damage):
    tiny_trainer(tmp_path, max_epochs=1).run()
    path = tmp_path / "last.pt"
    content = path.read_bytes()
    if damage == "state_dict":
        path.write_bytes((tmp_path / "model.pt").read_bytes())
    else:
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "text": b"not a checkpoint"}[damage])
    message = refusal(tmp_path, resume=True)
    assert "last.pt is not a" in message
    assert "\n" not in message


def test_only_the_first_rank_writes(tmp_path, on_two_ranks):
    def run():
        rank = torch.distributed.get_rank()
        trainer = tiny_trainer(tmp_path / str(rank), max_epochs=1)
        trainer.run()
        return trainer.checkpoints.best_score

    scores = on_two_ranks(run)
    assert scores[0] == scores[1]
    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == FILES
    assert not (tmp_path / "1").exists()
