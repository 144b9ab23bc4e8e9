import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ichmonai.training.losses import DualTaskLoss

LABELS = torch.tensor([[0, -1], [1, 0], [1, 2], [0, -1], [1, 1], [1, 0]])


@pytest.fixture
def logits():
    return torch.randn(6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)


def test_hand_computed():
    logits = torch.tensor([[0.0, math.log(3), 0, 0, math.log(2)], [0, 0, 5, 5, 5]])
    ich, location = DualTaskLoss().parts(logits, torch.tensor([[1, 2], [0, -1]]))
    assert ich.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert location.item() == pytest.approx(math.log(2))  # 2 / (1 + 1 + 2), the normal slice left out
    assert DualTaskLoss(location_weight=0.5)(logits, torch.tensor([[1, 2], [0, -1]])).item() == pytest.approx(
        ich.item() + 0.5 * location.item()
    )


def test_three_classes_mask_the_normals(logits):
    ich, location = DualTaskLoss(label_smoothing=0.1).parts(logits[:, :5], LABELS)
    bleeding = LABELS[:, 0] == 1
    torch.testing.assert_close(ich, F.cross_entropy(logits[:, :2], LABELS[:, 0], label_smoothing=0.1))
    torch.testing.assert_close(
        location, F.cross_entropy(logits[bleeding][:, 2:5], LABELS[bleeding, 1], label_smoothing=0.1)
    )


def test_four_classes_count_the_normals(logits):
    _, location = DualTaskLoss(location_classes=4).parts(logits, LABELS)
    torch.testing.assert_close(location, F.cross_entropy(logits[:, 2:], torch.tensor([3, 0, 2, 3, 1, 0])))


@pytest.mark.parametrize("location_classes", [3, 4])
def test_unknown_location_of_a_haemorrhage_is_left_out(logits, location_classes):
    logits = logits[:, : 2 + location_classes]
    labels = LABELS.clone()
    labels[1, 1] = -1
    keep = [0, 2, 3, 4, 5]
    loss = DualTaskLoss(location_classes)
    torch.testing.assert_close(loss.parts(logits, labels)[1], loss.parts(logits[keep], labels[keep])[1])


def test_batch_without_haemorrhage_has_zero_gradient(logits):
    labels = torch.tensor([[0, -1]] * 6)
    _, location = DualTaskLoss().parts(logits[:, :5], labels)
    location.backward()
    assert location.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_bfloat16_logits_are_summed_in_float32(logits):
    half = logits[:, :5].bfloat16()
    loss = DualTaskLoss()(half, LABELS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, DualTaskLoss()(half.float(), LABELS))


def test_refuses_wrong_shapes(logits):
    with pytest.raises(ValueError, match=r"logits \(B, 5\) and labels \(B, 2\), not \(6, 6\) and \(6, 2\)"):
        DualTaskLoss()(logits, LABELS)
    with pytest.raises(ValueError, match=r"\(6,\)"):
        DualTaskLoss()(logits[:, :5], LABELS[:, 0])
    with pytest.raises(ValueError, match="3 location classes"):
        DualTaskLoss(location_classes=5)


def linear(location_classes):
    torch.manual_seed(0)
    return nn.Linear(7, 2 + location_classes)


def joint_batch():
    return torch.randn(6, 7, generator=torch.Generator().manual_seed(1)), LABELS


# Slices of each rank, and the number of location classes.
SHARES = [
    (([0, 1, 3], [2, 4, 5]), 3),  # one haemorrhage against three
    (([0, 3], [1, 2, 4, 5]), 3),  # none against four, and batches of two sizes
    (([0, 1], [2, 3, 4, 5]), 4),
]


def train_steps(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    results = []
    for shares, location_classes in SHARES:
        network = DistributedDataParallel(linear(location_classes))
        features, labels = (part[shares[rank]] for part in joint_batch())
        criterion = DualTaskLoss(location_classes)
        loss = criterion(network(features), labels)
        loss.backward()
        for _ in range(rank + 1):  # more batches on one rank: would hang if validation talked to the other
            with torch.no_grad():
                own = criterion(network.module(features), labels)
        results.append({"gradient": network.module.weight.grad, "loss": loss.detach(), "validation": own})
    torch.save(results, f"{folder}/rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_give_the_gradient_of_the_joint_batch(tmp_path):
    mp.spawn(train_steps, (str(tmp_path),), nprocs=2)
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    for (shares, location_classes), *results in zip(SHARES, *ranks, strict=True):
        network, criterion = linear(location_classes), DualTaskLoss(location_classes)
        features, labels = joint_batch()
        loss = criterion(network(features), labels)
        loss.backward()
        for result, share in zip(results, shares, strict=True):
            torch.testing.assert_close(result["gradient"], network.weight.grad)
            torch.testing.assert_close(result["validation"], criterion(network(features[share]), labels[share]))
        torch.testing.assert_close((results[0]["loss"] + results[1]["loss"]) / 2, loss.detach())
