"""Networks with a mask beside their logits."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ichmonai.errors import InputError
from ichmonai.networks import SliceClassifier, create_network, load_pretrained, load_weights

HEADS = {"ich": 2, "location": 3, "kinds": 5}
SIZE = 96


def build(name: str = "light", **changes: object) -> SliceClassifier:
    torch.manual_seed(0)
    options = {"image_size": SIZE, "heads": HEADS, "mask_classes": 6, **changes}
    return create_network(name, **options).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> SliceClassifier:
    return build()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def run(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        return network(images)


def test_mask_stands_beside_the_same_logits(network: SliceClassifier, images: torch.Tensor) -> None:
    logits, mask = run(network.with_mask(), images)
    assert mask.shape == (3, 6, SIZE, SIZE)
    torch.testing.assert_close(logits, network(images))
    assert logits.shape == (3, 10)


def test_the_mask_depends_on_its_place(network: SliceClassifier, images: torch.Tensor) -> None:
    changed = images.clone()
    changed[:, :, :24, :24] += 2
    difference = (run(network.with_mask(), changed)[1] - run(network.with_mask(), images)[1]).abs().mean((0, 1))
    assert difference[:24, :24].mean() > 2 * difference[-24:, -24:].mean()


def test_a_checkpoint_of_one_is_one_of_the_other(network: SliceClassifier) -> None:
    assert network.state_dict().keys() == network.with_mask().state_dict().keys()


def test_a_network_without_a_mask_gives_logits(images: torch.Tensor) -> None:
    plain = build(mask_classes=0)
    assert plain.with_mask() is plain
    assert "mask_classes" not in plain.arguments or not plain.arguments["mask_classes"]


def test_decoder_is_light(network: SliceClassifier) -> None:
    assert sum(p.numel() for p in network.get_submodule("decoder").parameters()) < 1e6
    assert sum(p.numel() for p in network.parameters()) * 4 < 25e6


def test_gradient_reaches_decoder_and_encoder(images: torch.Tensor) -> None:
    trained = build().train()
    logits, mask = trained.with_mask()(images)
    (logits.square().sum() + mask.square().sum()).backward()
    assert [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript(network: SliceClassifier, images: torch.Tensor, how: str) -> None:
    module = network.with_mask()
    compiled = torch.jit.script(module) if how == "script" else torch.jit.trace(module, images[:1], check_trace=False)
    saved = io.BytesIO()
    torch.jit.save(compiled, saved)
    saved.seek(0)
    torch.testing.assert_close(run(torch.jit.load(saved), images), run(module, images))


@pytest.mark.parametrize("name", ["scopeformer_2cnn_reduced", "scopeformer_1cnn"])
def test_other_branches(name: str) -> None:
    other = build(name, image_size=64, width=104, depth=1)
    logits, mask = run(other.with_mask(), torch.randn(2, 3, 64, 64))
    assert (logits.shape, mask.shape) == ((2, 10), (2, 6, 64, 64))


def test_weights_without_a_mask_go_on_with_one(tmp_path: Path, images: torch.Tensor) -> None:
    old = build(mask_classes=0, heads={"ich": 2, "location": 3})
    torch.save(old.state_dict(), tmp_path / "old.pt")
    torch.manual_seed(1)
    new = load_pretrained(
        create_network("light", image_size=SIZE, heads=HEADS, mask_classes=6), True, tmp_path / "old.pt"
    )
    torch.testing.assert_close(run(new.eval(), images)[:, :5], run(old, images))


def test_a_network_without_a_decoder_drops_it(network: SliceClassifier, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "new.pt")
    report = load_weights(build(mask_classes=0), tmp_path / "new.pt")
    assert report.complete
    assert not report.unexpected
    assert "decoder.head.weight" in report.dropped


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_only_a_scopeformer_has_a_mask(name: str) -> None:
    with pytest.raises(InputError, match="takes no mask_classes"):
        create_network(name, mask_classes=6)


def test_a_pure_transformer_has_none() -> None:
    with pytest.raises(InputError, match="without branches has no maps"):
        create_network("scopeformer_vit", image_size=64, width=104, depth=1, mask_classes=6)


def test_onnx_names_both(network: SliceClassifier, images: torch.Tensor) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    exported = io.BytesIO()
    names = {"input_names": ["image"], "output_names": ["pred", "mask"]}
    axes = {name: {0: "batch"} for name in ("image", "pred", "mask")}
    torch.onnx.export(
        network.with_mask(), (images[:1],), exported, **names, dynamic_axes=axes, opset_version=17, dynamo=False
    )
    session = onnxruntime.InferenceSession(exported.getvalue(), providers=["CPUExecutionProvider"])
    found = session.run(["pred", "mask"], {"image": images.numpy()})
    for one, expected in zip(found, run(network.with_mask(), images), strict=True):
        np.testing.assert_allclose(one, expected.numpy(), atol=1e-4)
