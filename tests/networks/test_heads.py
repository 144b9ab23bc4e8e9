import numpy as np
import pytest
import torch

from ichmonai.evaluation import Calibration
from ichmonai.networks import ClassificationHeads, softmax_heads


def test_columns_are_the_heads_in_order():
    heads = ClassificationHeads(8, {"ich": 2, "location": 3})
    with torch.no_grad():
        heads.heads["ich"].bias.copy_(torch.tensor([1.0, 2.0]))
        heads.heads["location"].bias.copy_(torch.tensor([3.0, 4.0, 5.0]))
    assert heads(torch.zeros(2, 8)).tolist() == [[1, 2, 3, 4, 5]] * 2


def test_six_labels_of_another_network():
    assert ClassificationHeads(16, {"rsna": 6})(torch.zeros(3, 16)).shape == (3, 6)


def test_mlp_is_the_published_decoder():
    heads = ClassificationHeads(1024, {"ich": 2, "location": 4}, kind="mlp", dropout=0.1)
    shapes = [tuple(p.shape) for p in heads.heads["location"].parameters()]
    assert shapes == [(512, 1024), (512,), (4, 512), (4,)]
    features = torch.randn(4, 1024)
    heads.train()
    assert not torch.equal(heads(features), heads(features)), "dropout acts in training"
    heads.eval()
    assert torch.equal(heads(features), heads(features))


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_scripts(kind):
    heads = ClassificationHeads(8, {"ich": 2, "location": 3}, kind=kind).eval()
    features = torch.randn(2, 8)
    torch.testing.assert_close(torch.jit.script(heads)(features), heads(features))


def test_refuses_no_heads_and_unknown_kinds():
    with pytest.raises(ValueError, match="at least one head"):
        ClassificationHeads(8, {})
    with pytest.raises(ValueError, match="'conv'"):
        ClassificationHeads(8, {"ich": 2}, kind="conv")


def test_softmax_is_per_head_for_tensors_and_arrays():
    logits = torch.tensor([[0.0, 2.0, 1.0, 0.0, -1.0], [50.0, -50.0, 1e4, 0.0, 0.0]])
    probabilities = softmax_heads(logits)
    torch.testing.assert_close(probabilities[0, :2], torch.tensor([1.0, np.e**2]) / (1 + np.e**2), check_dtype=False)
    torch.testing.assert_close(probabilities[:, 2:].sum(1), torch.ones(2))
    np.testing.assert_allclose(softmax_heads(logits.numpy()), probabilities.numpy(), rtol=1e-6)


def test_fourth_location_class_is_left_out_and_the_rest_renormalised():
    logits = torch.randn(5, 6)
    four = logits[:, 2:].softmax(1)[:, :3]
    torch.testing.assert_close(softmax_heads(logits)[:, 2:], four / four.sum(1, keepdim=True))


@pytest.mark.parametrize("shape", [(5,), (2, 4), (2, 7), (1, 5, 2)])
def test_softmax_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"are \(N, 5\)"):
        softmax_heads(torch.zeros(shape))


@pytest.mark.parametrize("width", [10, 11])
def test_kinds_are_sigmoids_behind_the_two_heads(width):
    logits = torch.randn(4, width, generator=torch.Generator().manual_seed(0))
    found = softmax_heads(logits)
    torch.testing.assert_close(found[:, :5], softmax_heads(logits[:, : width - 5]))
    torch.testing.assert_close(found[:, 5:], logits[:, -5:].sigmoid())
    np.testing.assert_allclose(softmax_heads(logits.numpy()), found.numpy(), rtol=1e-5)
    np.testing.assert_allclose(Calibration({"ich": 1.0}).apply_logits(logits).numpy(), found.numpy(), rtol=1e-5)
