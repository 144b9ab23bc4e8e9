import pytest
import torch
from ignite.engine import Engine

from ichmonai.errors import InputError
from ichmonai.networks import KIND_HEADS, create_network, load_trained
from ichmonai.training import CosineLearningRate, freeze, parameter_groups


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


def test_frozen_parts_stay_as_they_are_while_the_rest_learns(tmp_path):
    network = create_network("light", image_size=32, heads=KIND_HEADS, mask_classes=6)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = freeze(network, ["encoder", "heads.heads.ich"]).with_mask().train()
    optimizer = torch.optim.AdamW(parameter_groups(model, None), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        logits, mask = model(torch.rand(4, 3, 32, 32))
        (logits.square().mean() + mask.square().mean()).backward()
        optimizer.step()
    after = network.state_dict()
    frozen = [name for name in after if name.startswith(("encoder.", "heads.heads.ich."))]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert any("running_mean" in name for name in frozen)
    assert not any(
        torch.equal(before[name], after[name])
        for name in after
        if name not in frozen and name.endswith(("weight", "running_mean"))
    )
    torch.save(after, tmp_path / "model.pt")
    loaded = load_trained(
        create_network("light", image_size=32, heads=KIND_HEADS, mask_classes=6), tmp_path / "model.pt"
    )
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(loaded.eval()(image), network.eval()(image), atol=1e-6)


def test_nothing_is_frozen_that_is_not_there():
    with pytest.raises(InputError, match=r"no part 'encodre' to freeze; it has encoder, .*heads"):
        freeze(create_network("light", image_size=32), ["encodre"])
