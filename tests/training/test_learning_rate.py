import pytest
import torch
from ignite.engine import Engine

from ichmonai.training import CosineLearningRate


def rates(epochs, start=0):
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 0.2}], lr=1.0)
    seen = []
    engine = Engine(lambda *_: seen.append([group["lr"] for group in optimizer.param_groups]))
    CosineLearningRate(optimizer, warmup=0.25).attach(engine)
    if start:
        engine.load_state_dict({"epoch": start, "epoch_length": 10, "max_epochs": epochs})
    engine.run([0] * 10, max_epochs=epochs, epoch_length=10)
    return seen


def test_rises_and_falls_in_every_group():
    seen = rates(4)
    one = [first for first, _ in seen]
    assert one[:10] == sorted(one[:10])
    assert one[10:] == sorted(one[10:], reverse=True)
    assert one[0] == pytest.approx(0.05)
    assert max(one) == pytest.approx(1, abs=0.01)
    assert one[-1] == pytest.approx(0, abs=0.01)
    assert [second for _, second in seen] == pytest.approx([0.2 * first for first in one])


def test_resumed_training_goes_on():
    assert rates(4, start=2) == rates(4)[20:]


@pytest.mark.parametrize("warmup", [-0.1, 1])
def test_warmup_is_a_share(warmup):
    with pytest.raises(ValueError, match="warmup"):
        CosineLearningRate(torch.optim.SGD([torch.zeros(1)], lr=1), warmup)
