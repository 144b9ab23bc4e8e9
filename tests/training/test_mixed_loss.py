"""The loss of slices of which not everything is known, and the metrics of kinds and masks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from ignite.engine import Engine
from monai.data import MetaTensor
from torch import Tensor, nn

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.training import DualTaskLoss, KindMetrics, MixedLoss, parameter_groups, prepare_targets

NAN = torch.nan


def batch(seed: int = 0, count: int = 4) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Logits, logits of the mask and targets; the second slice is of unknown kinds, the last has no mask."""
    generator = torch.Generator().manual_seed(seed)
    logits, mask = torch.randn(count, 10, generator=generator), torch.randn(count, 6, 8, 8, generator=generator)
    kinds = torch.randint(0, 2, (count, 5), generator=generator).float()
    kinds[1] = NAN
    truth = torch.randint(0, 6, (count, 1, 8, 8), generator=generator).to(torch.uint8)
    truth[-1] = UNKNOWN
    truth[0, 0, :3] = UNKNOWN
    label = torch.tensor([[0, -1], [1, 2], [-1, -1], [1, -1]])[:count]
    return logits, mask, {"label": label, "kinds": kinds, "mask": truth}


def test_label_alone_is_dtvits_loss() -> None:
    logits, _, targets = batch()
    expected = DualTaskLoss()(logits[:, :5], targets["label"])
    torch.testing.assert_close(MixedLoss()(logits[:, :5], targets["label"]), expected)
    torch.testing.assert_close(MixedLoss()(logits, targets["label"]), expected)


def test_nothing_unknown_has_a_gradient() -> None:
    logits, mask, targets = batch()
    logits.requires_grad_()
    mask.requires_grad_()
    MixedLoss()((logits, mask), targets).backward()
    assert logits.grad is not None
    assert mask.grad is not None
    assert not logits.grad[2, :5].any(), "of the third slice it is not known whether it bleeds"
    assert not logits.grad[1, 5:].any()
    assert logits.grad[0, 5:].all()
    assert not mask.grad[3].any()
    assert not mask.grad[0, :, :3].any()
    assert mask.grad[0, :, 3:].all()


def test_what_is_unknown_changes_no_loss() -> None:
    logits, mask, targets = batch()
    known = {name: value[:1] for name, value in targets.items()}
    both = {name: value[[0, 3]] for name, value in targets.items()}
    both["label"] = torch.tensor([[0, -1], [-1, -1]])
    both["kinds"] = torch.stack([targets["kinds"][0], torch.full((5,), NAN)])
    one = MixedLoss()((logits[:1], mask[:1]), known)
    torch.testing.assert_close(MixedLoss()((logits[[0, 3]], mask[[0, 3]]), both), one)


def test_a_batch_of_which_nothing_is_known() -> None:
    logits, mask, _ = batch()
    targets = {
        "label": torch.full((4, 2), -1),
        "kinds": torch.full((4, 5), NAN),
        "mask": torch.full((4, 1, 8, 8), UNKNOWN, dtype=torch.uint8),
    }
    assert float(MixedLoss()((logits, mask), targets)) == 0


def test_a_right_mask_has_the_smaller_loss() -> None:
    truth = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    truth[0, 0, 2:5, 2:5] = 3
    right = 8 * nn.functional.one_hot(truth[:, 0].long(), 6).movedim(-1, 1).float()
    loss = MixedLoss()
    assert float(loss.mask_loss(right, truth)) < 0.9  # kinds that are nowhere count as Dice 0
    assert float(loss.mask_loss(right, truth)) < float(loss.mask_loss(right.roll(3, -1), truth)) - 0.5
    assert float(loss.mask_loss(right, truth)) < float(loss.mask_loss(right[:, [0, 1, 2, 4, 3, 5]], truth)) - 0.1


def _gradient_of_half() -> list[list[float]]:
    logits, _, targets = batch()
    half = slice(2 * dist.get_rank(), 2 * dist.get_rank() + 2)
    mine = logits[half].clone().requires_grad_()
    MixedLoss()(mine, {name: value[half] for name, value in targets.items()}).backward()
    assert mine.grad is not None
    return (mine.grad / dist.get_world_size()).tolist()  # as DistributedDataParallel averages


def test_ranks_give_the_gradient_of_the_joint_batch(on_two_ranks: Callable[[Callable[[], Any]], list[Any]]) -> None:
    logits, _, targets = batch()
    logits.requires_grad_()
    MixedLoss()(logits, targets).backward()
    torch.testing.assert_close(torch.cat(list(map(torch.tensor, on_two_ranks(_gradient_of_half)))), logits.grad)


def test_targets_of_a_batch() -> None:
    _, _, targets = batch()
    image = torch.zeros(4, 3, 8, 8)
    inputs, found = prepare_targets({"image": image, **targets, "mask": MetaTensor(targets["mask"])})
    assert inputs is image
    assert isinstance(found, dict)
    assert not isinstance(found["mask"], MetaTensor)
    assert found.keys() == targets.keys()
    assert prepare_targets({"image": image, "label": targets["label"]})[1] is targets["label"]


def metrics_of(*batches: tuple[Tensor, Tensor, dict[str, Tensor]]) -> dict[str, float]:
    metric = KindMetrics("val_")
    outputs = iter(batches)

    def step(engine: Engine, _: Any) -> dict[str, Any]:
        logits, mask, targets = next(outputs)
        return {"pred": (logits, mask), "label": targets}

    engine = Engine(step)
    metric.attach(engine, "kinds")
    return engine.run(range(len(batches)), max_epochs=1).metrics


def test_dice_and_auc_of_what_is_known() -> None:
    logits, mask, targets = batch(1, 4)
    found = metrics_of(
        (logits[:2], mask[:2], {k: v[:2] for k, v in targets.items()}),
        (logits[2:], mask[2:], {k: v[2:] for k, v in targets.items()}),
    )
    truth = targets["mask"][:, 0]
    said = mask.argmax(1)
    for index, kind in enumerate(KINDS, 1):
        known = truth != UNKNOWN
        one, two = (said == index) & known, truth == index
        assert found[f"val_dice_{kind}"] == pytest.approx(float(2 * (one & two).sum() / (one.sum() + two.sum())))
    dice = [found[f"val_dice_{kind}"] for kind in KINDS]
    assert found["val_mean_dice"] == pytest.approx(sum(dice) / 5)


def test_a_right_network_has_one_and_one() -> None:
    _, _, targets = batch(2)
    targets["mask"][3] = 0
    targets["kinds"] = torch.eye(4, 5)
    mask = nn.functional.one_hot(targets["mask"][:, 0].long().clamp(max=5), 6).movedim(-1, 1).float()
    found = metrics_of((torch.cat([torch.zeros(4, 5), targets["kinds"]], 1), mask, targets))
    assert [found[f"val_dice_{kind}"] for kind in KINDS] == pytest.approx([1] * 5)
    assert [found[f"val_auc_{kind}"] for kind in KINDS[:4]] == [1] * 4
    assert found["val_auc_subdural"] != found["val_auc_subdural"], "nan where a class is absent"


def test_a_decoder_has_a_rate_of_its_own() -> None:
    network = nn.ModuleDict({"encoder": nn.Linear(2, 3), "decoder": nn.Linear(3, 4)})
    optimizer = torch.optim.AdamW(parameter_groups(network, 0.1), lr=0.01)
    assert [(group["lr"], len(group["params"])) for group in optimizer.param_groups] == [(0.01, 2), (0.1, 2)]
    assert [len(group["params"]) for group in parameter_groups(network, None)] == [4]
    assert [len(group["params"]) for group in parameter_groups(nn.Linear(2, 3), 0.1)] == [2]
