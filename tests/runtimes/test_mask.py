"""A network with kinds and a mask on every runtime."""

import pytest
import torch

from ichmonai.classes import KINDS
from ichmonai.networks import KIND_HEADS, create_network
from ichmonai.prediction import SliceInferer
from ichmonai.runtimes import FORMATS, on_runtime, read_facts
from ichmonai.runtimes.export import export_checked
from tests.runtimes.conftest import SIZE, Trained, needs

NEEDS = {"torchscript": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    torch.manual_seed(1)
    network = create_network("light", image_size=SIZE, heads=KIND_HEADS, mask_classes=6, depth=1).eval()
    for parameter in (*network.heads.parameters(), *network.get_submodule("decoder.head").parameters()):
        torch.nn.init.normal_(parameter.data)
    weights = tmp_path_factory.mktemp("masked") / "model.pt"
    torch.save(network.state_dict(), weights)
    return Trained(network, weights)


@pytest.mark.parametrize("format", FORMATS)
def test_the_mask_is_the_second_output_of_a_file(masked: Trained, format: str, tmp_path) -> None:
    needs(NEEDS[format])
    file = tmp_path / f"network{FORMATS[format]}"
    trial = export_checked(masked.network, masked.weights, SIZE, format, file)
    assert trial is not None
    assert trial.decisions_equal
    assert trial.largest_difference < 1e-3
    facts = read_facts(file)
    assert facts["mask"]["name"] == "mask"
    assert list(facts["mask"]["channel_def"].values()) == ["none", *KINDS]
    assert list(facts["channel_def"].values())[5:] == list(KINDS)


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino"])
def test_every_runtime_gives_both(masked: Trained, runtime: str) -> None:
    needs(runtime)
    network = on_runtime(masked.network, masked.weights, SIZE, runtime)
    volume = torch.randn(1, 3, SIZE, SIZE, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, mask = SliceInferer(batch_size=2)(volume, network)
        assert (logits.shape, mask.shape) == ((1, 10, 5), (1, 6, SIZE, SIZE, 5))
        expected = masked.network.with_mask()(volume[..., 3])
    torch.testing.assert_close(logits[..., 3], expected[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(mask[..., 3], expected[1], atol=1e-3, rtol=1e-3)
