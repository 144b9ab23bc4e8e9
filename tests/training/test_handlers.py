import threading

import pytest
import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.handlers import TensorBoardStatsHandler

from ichmonai.training import ClipGradient, EpochSeed, run_trainer


class Sampler:
    def set_epoch(self, epoch):
        self.epoch = epoch


def drawn_by_epoch(seed, epochs, noise=0):
    sampler, drawn = Sampler(), []
    engine = Engine(lambda _, __: drawn.append((sampler.epoch, torch.rand(()).item())))
    EpochSeed(sampler, seed).attach(engine)
    torch.rand(noise)
    engine.run([0], max_epochs=epochs)
    return drawn


def test_each_epoch_is_seeded_by_its_number():
    drawn = drawn_by_epoch(3, 3)
    assert [epoch for epoch, _ in drawn] == [1, 2, 3]
    assert drawn_by_epoch(3, 3, noise=17) == drawn
    assert len({value for _, value in drawn}) == 3
    assert drawn_by_epoch(4, 3) != drawn


def test_ranks_draw_different_dropout(on_two_ranks):
    one, other = on_two_ranks(lambda: drawn_by_epoch(3, 2))
    assert [epoch for epoch, _ in one] == [epoch for epoch, _ in other]
    assert {value for _, value in one}.isdisjoint(value for _, value in other)


@pytest.mark.parametrize(("max_norm", "moved"), [(0, 10.0), (1, 1.0), (100, 10.0)])
def test_gradient_is_clipped_just_before_the_step(max_norm, moved):
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    ClipGradient(optimizer, max_norm).attach(Engine(lambda *_: None))
    for _ in range(2):  # two accumulated halves of (6, 8), whose norm is 10
        (weight * torch.tensor([3.0, 4.0])).sum().backward()
    optimizer.step()
    assert weight.norm().item() == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_no_thread_of_tensorboard_outlives_a_training(tmp_path, error):
    threads = set(threading.enumerate())
    folders = (str(tmp_path / name) for name in ("training", "validation"))
    writers = [TensorBoardStatsHandler(log_dir=one, output_transform=lambda output: output["loss"]) for one in folders]
    assert len(set(threading.enumerate()) - threads) == 2

    def step(engine, batch):
        if error and engine.state.epoch == 2:
            raise error
        return {"loss": torch.ones(())}

    seed = EpochSeed(Sampler())
    trainer = Trainer(torch.device("cpu"), 2, [0], iteration_update=step, handlers=[seed, writers[0]])
    if error:
        with pytest.raises(error):
            run_trainer(trainer, [seed, *writers])
    else:
        run_trainer(trainer, [seed, *writers])
    assert set(threading.enumerate()) == threads
    assert any((tmp_path / "training").iterdir())
