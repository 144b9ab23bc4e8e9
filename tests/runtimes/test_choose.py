import json
from collections.abc import Callable

import pytest
import torch

from ichmonai.errors import InputError
from ichmonai.model_description import ModelDescription, TrainedNetwork
from ichmonai.networks import create_network
from ichmonai.prediction import SliceInferer
from ichmonai.runtimes import cache, choose, on_runtime, sessions
from ichmonai.runtimes import names as names_module
from ichmonai.runtimes.parity import TOLERANCE, Trial, decisions, drawn_slices
from tests.runtimes.conftest import SIZE, SMALLEST, needs

FAST = {"torch": 1.0, "onnxruntime": 2.0, "openvino": 3.0}


@pytest.fixture
def clock(monkeypatch) -> dict[str, float]:
    """Slices a second that each runtime is found to have, so that no test depends on the time that something takes."""
    speeds = dict(FAST)
    real: Callable = choose._Candidates._try

    def attempt(self, runtime, precision):
        trial = real(self, runtime, precision)
        return Trial(trial.largest_difference, trial.decisions_equal, speeds[runtime])

    monkeypatch.setattr(choose._Candidates, "_try", attempt)
    return speeds


@pytest.fixture(params=["onnxruntime", "openvino"])
def runtime(request) -> str:
    needs(request.param)
    return request.param


def installed(monkeypatch, *names):
    monkeypatch.setattr(names_module, "find_spec", lambda name: True if name.startswith(names) else None)


def spoilt(monkeypatch, by: float, which: str):
    """Let a runtime add something to the logits."""
    real = sessions.open_file

    def open_file(runtime, file, precision):
        run = real(runtime, file, precision)
        return (lambda image: run(image) + by * torch.tensor([1.0, -1, 0, 0, 0])) if runtime == which else run

    monkeypatch.setattr(choose, "open_file", open_file)


def test_a_named_runtime_gives_what_torch_gives(small, runtime):
    network = on_runtime(small.network, small.weights, SIZE, runtime)
    volumes = torch.randn(1, 3, SIZE, SIZE, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = SliceInferer(batch_size=2)(volumes, network)
        torch.testing.assert_close(ours, SliceInferer()(volumes, small.network), atol=1e-4, rtol=0)
    assert (network.choice.runtime, network.choice.reason) == (runtime, "it was asked for")
    assert network.choice.largest_difference < TOLERANCE


def test_auto_takes_the_fastest(small, clock, empty_cache):
    needs("onnxruntime")
    needs("openvino")
    choice = on_runtime(small.network, small.weights, SIZE).choice
    assert (choice.runtime, choice.precision) == ("openvino", "fp32")
    assert "fastest on this computer (openvino fp32 3, onnxruntime fp32 2, torch fp32 1 slices/s)" in choice.reason
    json.dumps(choice.record())


def test_auto_stays_with_torch_where_that_is_fastest(small, clock, empty_cache):
    clock["torch"] = 4.0
    choice = on_runtime(small.network, small.weights, SIZE).choice
    assert choice.runtime == "torch"


def test_what_was_found_is_kept_until_weights_or_file_change(small, clock, empty_cache, tmp_path):
    needs("openvino")
    assert on_runtime(small.network, small.weights, SIZE).choice.runtime == "openvino"
    clock["openvino"] = 0.5
    assert on_runtime(small.network, small.weights, SIZE).choice.runtime == "openvino", "not tried again"
    (file,) = empty_cache.rglob("model.bin")
    file.write_bytes(file.read_bytes() + b"\0")
    assert on_runtime(small.network, small.weights, SIZE).choice.runtime != "openvino", "another file is tried"
    others = tmp_path / "others.pt"
    torch.save({name: value + 1 for name, value in small.network.state_dict().items()}, others)
    on_runtime(small.network, others, SIZE)
    assert len(list((empty_cache / "runtimes").iterdir())) == 2


def test_a_conversion_that_was_killed_leaves_nothing_that_is_used(small, empty_cache, monkeypatch):
    needs("openvino")

    def killed(network, format, file, facts):
        file.write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(choose, "export_network", killed)
        with pytest.raises(KeyboardInterrupt):
            on_runtime(small.network, small.weights, SIZE, "openvino")
    assert on_runtime(small.network, small.weights, SIZE, "openvino").choice.largest_difference < TOLERANCE


def test_a_runtime_with_other_results_is_not_taken(small, clock, empty_cache, monkeypatch):
    needs("openvino")
    spoilt(monkeypatch, 2 * TOLERANCE, "openvino")
    choice = on_runtime(small.network, small.weights, SIZE).choice
    assert choice.runtime != "openvino"
    assert "openvino: logits differ from torch fp32 by 2.0e-03, and at most 0.001 is allowed" in choice.reason
    with pytest.raises(InputError, match=r"cannot run on openvino in fp32: logits differ .*; use --runtime auto"):
        on_runtime(small.network, small.weights, SIZE, "openvino")


def test_a_runtime_that_fails_is_not_taken(small, clock, empty_cache, monkeypatch):
    needs("openvino")

    def fails(network, format, file, facts):
        raise RuntimeError("no such operator\nand a page of traceback")

    monkeypatch.setattr(choose, "export_network", fails)
    choice = on_runtime(small.network, small.weights, SIZE).choice
    assert choice.runtime == "torch"
    assert "openvino: it failed (no such operator)" in choice.reason
    with pytest.raises(InputError, match="it failed"):
        on_runtime(small.network, small.weights, SIZE, "openvino")


def test_what_is_not_installed_is_said(small, empty_cache, monkeypatch):
    installed(monkeypatch)
    choice = on_runtime(small.network, small.weights, SIZE).choice
    assert choice.runtime == "torch"
    assert 'openvino needs openvino (pip install "ichmonai[openvino]")' in choice.reason
    with pytest.raises(InputError, match="onnxruntime needs onnx, onnxscript, onnxruntime"):
        on_runtime(small.network, small.weights, SIZE, "onnxruntime")
    assert not empty_cache.exists(), "nothing to compare, nothing to keep"


def test_a_cache_that_cannot_be_written_is_said(small, tmp_path, monkeypatch):
    needs("openvino")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ICHMONAI_CACHE", str(tmp_path / "file"))
    assert "set ICHMONAI_CACHE" in on_runtime(small.network, small.weights, SIZE).choice.reason
    with pytest.raises(InputError, match="cannot be used as a cache"):
        on_runtime(small.network, small.weights, SIZE, "openvino")


def test_bf16_only_when_asked_for_and_where_decisions_stay(small, clock, empty_cache, monkeypatch):
    needs("openvino")
    choice = on_runtime(small.network, small.weights, SIZE, precision="bf16").choice
    assert choice.precision in ("bf16", "fp32")
    assert "fp32" in on_runtime(small.network, small.weights, SIZE).choice.precision
    monkeypatch.setattr(Trial, "problem", lambda self, precision: "" if precision == "fp32" else "decisions differ")
    choice = on_runtime(small.network, small.weights, SIZE, precision="bf16").choice
    assert choice.precision == "fp32"
    assert "torch: decisions differ" in choice.reason
    with pytest.raises(InputError, match="onnxruntime has no bf16, only torch and openvino"):
        on_runtime(small.network, small.weights, SIZE, "onnxruntime", "bf16")


def test_int8_needs_a_model_of_these_weights(small, clock, empty_cache):
    needs("openvino")
    choice = on_runtime(small.network, small.weights, SIZE, precision="int8").choice
    assert choice.precision == "fp32"
    assert "there is no int8 model" in choice.reason
    with pytest.raises(InputError, match=r"there is no int8 model .*model_int8\.xml"):
        on_runtime(small.network, small.weights, SIZE, "openvino", "int8")
    with pytest.raises(InputError, match="torch has no int8"):
        on_runtime(small.network, small.weights, SIZE, "torch", "int8")


def test_on_another_device_the_network_stays_with_torch(small):
    with torch.device("meta"):
        elsewhere = create_network("test_vit", image_size=SIZE)
    assert on_runtime(elsewhere, small.weights, SIZE).choice.reason == "the network is on meta"
    with pytest.raises(InputError, match="set device to cpu"):
        on_runtime(elsewhere, small.weights, SIZE, "openvino")


@pytest.mark.parametrize(
    ("options", "said"), [({"runtime": "tvm"}, "auto, torch"), ({"precision": "fp8"}, "fp32, bf16")]
)
def test_unknown_names_are_refused(small, options, said):
    with pytest.raises(InputError, match=said):
        on_runtime(small.network, small.weights, SIZE, **options)


def test_drawn_slices_are_always_the_same_and_differ():
    one, two = drawn_slices(3, SIZE), drawn_slices(3, SIZE)
    assert torch.equal(one, two)
    assert one.shape == (8, 3, SIZE, SIZE)
    assert all(not torch.allclose(one[0], other) for other in one[1:])


def test_decisions_are_by_head():
    logits = torch.tensor([[0.0, 1, 3, 2, 1], [1, 0, 0, 0, 1]])
    assert decisions(logits, {"ich": 2, "location": 3}).tolist() == [[1, 0], [0, 2]]
    assert decisions(logits - 0.5, {"rsna": 5}).tolist() == [[0, 1, 1, 1, 1], [1, 0, 0, 0, 1]]


def test_a_network_that_was_converted_before_is_not_built(small, clock, empty_cache, monkeypatch):
    needs("openvino")
    description = ModelDescription({"name": SMALLEST, "image_size": SIZE}, ())
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))

    def late() -> TrainedNetwork:
        return TrainedNetwork(description, small.weights, torch.device("cpu"))

    first = on_runtime(late(), small.weights, SIZE)
    with monkeypatch.context() as patch:
        patch.setattr(ModelDescription, "create_network", None)
        again = on_runtime(late(), small.weights, SIZE)
    assert again.choice == first.choice
    assert again.choice.runtime == "openvino"
    with torch.inference_mode():
        torch.testing.assert_close(again(images), small.network(images), atol=1e-4, rtol=0)
    wider = ModelDescription({"name": SMALLEST, "image_size": SIZE, "heads": {"ich": 2}}, ())
    with pytest.raises(InputError, match="does not fit"):
        on_runtime(TrainedNetwork(wider, small.weights, torch.device("cpu")), small.weights, SIZE)


def test_another_code_of_the_networks_is_another_network(small, clock, empty_cache, monkeypatch):
    on_runtime(small.network, small.weights, SIZE)
    monkeypatch.setattr(cache, "_code", lambda: "another")
    on_runtime(small.network, small.weights, SIZE)
    assert len(list((empty_cache / "runtimes").iterdir())) == 2
