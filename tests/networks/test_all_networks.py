"""What every network must do, whatever its name."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ichmonai.errors import InputError
from ichmonai.networks import RSNA_HEADS, SliceClassifier, create_network, load_trained

SMALL = {"width": 104, "depth": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "deit_tiny_patch16_224": {},
    "vit_small_patch32_224": {},
    "resnet18": {},
    "alexnet": {"image_size": 224},  # smaller maps are enlarged to its 6x6, which ONNX cannot express
    "squeezenet1_0": {},
    "densenet161": {},
    "cvt_21": {},
    "edgenext_small": {},
    "mobilevit_s": {},
    "mobilevitv2_050": {},
    "light": {},
    "scopeformer_vit": SMALL,
    "scopeformer_1cnn": SMALL,
    "scopeformer_2cnn_reduced": {
        **SMALL,
        "branches": ["test_resnet", "mobilenetv3_small_050"],
        "frozen": [True, False],
    },
    "scopeformer_3cnn": {**SMALL, "branches": ["test_resnet", "mobilenetv3_small_050", "convnext_atto"]},
}
LARGE = ("densenet161", "cvt_21")
TRACE_ONLY = ("cvt_21", "mobilevitv2_050")
"""Networks whose own code TorchScript cannot compile and save."""

NO_GRADIENT = "layers.15.attention.attention.convolution_projection_query"
"""CvT's features are its class token, which passes by the convolution of the last layer's other queries."""

NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in SETTINGS]


def build(name: str, **changes: Any) -> SliceClassifier:
    if name == "cvt_21":
        pytest.importorskip("transformers")
    return create_network(name, **{"image_size": 64, **SETTINGS[name], **changes})


def images_for(name: str, channels: int = 3) -> torch.Tensor:
    size = SETTINGS[name].get("image_size", 64)
    return torch.randn(3, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name: str) -> SliceClassifier:
    torch.manual_seed(0)
    return build(name).eval()


@pytest.fixture(scope="module")
def logits(name: str, network: SliceClassifier) -> torch.Tensor:
    with torch.no_grad():
        return network(images_for(name))


def test_dual_heads(logits: torch.Tensor) -> None:
    assert logits.shape == (3, 5)
    assert logits.isfinite().all()
    assert not torch.equal(logits[0], logits[1]), "the image makes a difference"


@pytest.mark.parametrize("in_channels", [1, 5])
def test_six_labels_and_other_channels(name: str, in_channels: int) -> None:
    with torch.device("meta"):  # shapes only
        other = build(name, heads=RSNA_HEADS, head="mlp", in_channels=in_channels).eval()
        assert other(images_for(name, in_channels).to("meta")).shape == (3, 6)
        with pytest.raises(InputError, match=f"takes images of {in_channels} channels, and these have 3"):
            other(images_for(name).to("meta"))


def test_gradient_reaches_all_that_is_trained(name: str) -> None:
    torch.manual_seed(0)
    trained = build(name).train()
    for parameter in trained.parameters():
        if not parameter.any():  # some networks start with the last norm of a block at zero, which hides its others
            torch.nn.init.normal_(parameter.data, std=0.1)
    trained(images_for(name)).square().sum().backward()
    frozen = [key for key, value in trained.named_parameters() if not value.requires_grad]
    assert bool(frozen) == ("frozen" in SETTINGS[name])
    reached = {
        key: value.grad is not None and bool(value.grad.isfinite().all()) and bool(value.grad.any())
        for key, value in trained.named_parameters()
    }
    assert [key for key, ok in reached.items() if not ok and NO_GRADIENT not in key] == frozen


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript(name: str, network: SliceClassifier, logits: torch.Tensor, how: str) -> None:
    images = images_for(name)
    if how == "script" and name in TRACE_ONLY:  # as the documentation of `create_network` says
        with pytest.raises(Exception):  # noqa: B017, PT011 - TorchScript raises errors of many kinds
            torch.jit.save(torch.jit.script(network), io.BytesIO())
        return
    compiled = torch.jit.script(network) if how == "script" else torch.jit.trace(network, images[:1], check_trace=False)
    saved = io.BytesIO()
    torch.jit.save(compiled, saved)
    saved.seek(0)
    torch.testing.assert_close(torch.jit.load(saved)(images), logits)


def test_onnx_takes_any_batch(name: str, network: SliceClassifier, logits: torch.Tensor) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    images = images_for(name)
    exported = io.BytesIO()
    torch.onnx.export(
        network,
        (images[:1],),
        exported,
        input_names=["image"],
        output_names=["pred"],
        dynamic_axes={"image": {0: "batch"}, "pred": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(exported.getvalue(), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        (pred,) = session.run(["pred"], {"image": images[:batch].numpy()})
        np.testing.assert_allclose(pred, logits[:batch].numpy(), atol=1e-4)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_checkpoint_round_trip(
    name: str, network: SliceClassifier, logits: torch.Tensor, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("checkpoint") / f"model{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(network.state_dict(), file)
    torch.manual_seed(1)
    with torch.no_grad():
        torch.testing.assert_close(load_trained(build(name), file).eval()(images_for(name)), logits)
