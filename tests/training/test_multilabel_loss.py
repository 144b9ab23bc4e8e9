import math

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.metrics import log_loss
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ichmonai.evaluation.multilabel import weighted_log_loss
from ichmonai.training import MultiLabelLogLoss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(7, 6, generator=GENERATOR) * 3
LABELS = (torch.rand(7, 6, generator=GENERATOR) < 0.3).float()


def test_hand_computed():
    logits = torch.tensor([[math.log(3), 0, 0, 0, 0, -math.log(3)]])  # probabilities 3/4, 1/2, ..., 1/4
    labels = torch.tensor([[1.0, 0, 0, 0, 0, 1]])
    expected = (2 * math.log(4 / 3) + 4 * math.log(2) + math.log(4)) / 7
    assert MultiLabelLogLoss()(logits, labels).item() == pytest.approx(expected)


def test_equals_scikit_learn_and_the_metric():
    probabilities = LOGITS.double().sigmoid().numpy()
    weights = np.tile([2, 1, 1, 1, 1, 1], len(LABELS))
    expected = log_loss(LABELS.numpy().ravel(), probabilities.ravel(), sample_weight=weights)
    assert MultiLabelLogLoss()(LOGITS, LABELS).item() == pytest.approx(expected)
    assert weighted_log_loss(probabilities, LABELS.numpy()) == pytest.approx(expected)


def test_extreme_logits_stay_finite_and_keep_their_gradient():
    logits = torch.tensor([[1000.0, -1000, 0, 0, 0, 0]], requires_grad=True)
    loss = MultiLabelLogLoss()(logits, torch.tensor([[0.0, 1, 0, 0, 0, 0]]))
    loss.backward()
    assert loss.item() == pytest.approx((2 * 1000 + 1000 + 4 * math.log(2)) / 7)
    assert logits.grad[0, :2].tolist() == pytest.approx([2 / 7, -1 / 7])


def test_bfloat16_and_integers_are_summed_in_float32():
    half = LOGITS.bfloat16()
    loss = MultiLabelLogLoss()(half, LABELS.long())
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, MultiLabelLogLoss()(half.float(), LABELS))


def test_refuses_wrong_shapes():
    for logits, labels in ((LOGITS[:, :5], LABELS[:, :5]), (LOGITS, LABELS[:, :2]), (LOGITS, LABELS[0])):
        with pytest.raises(ValueError, match=r"takes logits and labels \(B, 6\)"):
            MultiLabelLogLoss()(logits, labels)


def test_it_has_no_state():
    assert not MultiLabelLogLoss().state_dict()


def linear():
    torch.manual_seed(0)
    return nn.Linear(6, 6)


def test_two_ranks_give_the_gradient_of_the_joint_batch(on_two_ranks):
    shares = ([0, 1], [2, 3, 4, 5, 6])

    def run():
        network = DistributedDataParallel(linear())
        share = shares[dist.get_rank()]
        loss = MultiLabelLogLoss()(network(LOGITS[share]), LABELS[share])
        loss.backward()
        for _ in range(dist.get_rank() + 1):  # more batches on one rank: would hang if validation talked to the other
            with torch.no_grad():
                own = MultiLabelLogLoss()(network.module(LOGITS[share]), LABELS[share])
        return loss.item(), own.item(), network.module.weight.grad.numpy()

    results = on_two_ranks(run)
    network = linear()
    joint = MultiLabelLogLoss()(network(LOGITS), LABELS)
    joint.backward()
    assert np.mean([loss for loss, _, _ in results]) == pytest.approx(joint.item())
    for (_, own, gradient), share in zip(results, shares, strict=True):
        np.testing.assert_allclose(gradient, network.weight.grad, atol=1e-7)
        assert own == pytest.approx(MultiLabelLogLoss()(network(LOGITS[share]), LABELS[share]).item())
