import sys

import pytest
import torch

from ichmonai.digests import sha256_of_file
from ichmonai.errors import InputError
from ichmonai.networks import RSNA_HEADS, create_network
from ichmonai.runtimes import FORMATS, describe, export_network, read_facts
from ichmonai.runtimes import names as names_module
from ichmonai.runtimes.export import export_checked
from ichmonai.runtimes.formats import channel_def
from ichmonai.runtimes.libraries import openvino
from tests.runtimes.conftest import FAMILIES, SIZE, make, needs

NEEDS = {"torchscript": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    return make(request.param, tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("format", FORMATS)
def test_every_family_gives_the_same_as_a_file(family, format, tmp_path):
    needs(NEEDS[format])
    file = tmp_path / f"network{FORMATS[format]}"
    trial = export_checked(family.network, family.weights, SIZE, format, file)
    assert trial.decisions_equal
    assert trial.largest_difference < 1e-4
    facts = read_facts(file)
    assert facts["weights"]["sha256"] == sha256_of_file(family.weights)
    assert list(facts["channel_def"].values()) == ["normal", "ich", "deep", "lobar", "subtentorial"]
    assert "not for clinical use" in facts["notice"]
    assert not list(tmp_path.glob("*partial*"))


def test_a_file_that_gives_other_results_is_removed(small, tmp_path):
    class Wrong(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.in_channels, self.heads = small.network, 3, small.network.heads
            self.mask_classes = 0

        def with_mask(self):
            return self

        def forward(self, image):
            return self.inner(image) + (0 if torch.jit.is_tracing() else 1)

    with pytest.raises(InputError, match="gives other results"):
        export_checked(Wrong(), small.weights, SIZE, "torchscript", tmp_path / "model.ts")
    assert not list(tmp_path.iterdir())


def test_names_of_other_heads():
    with torch.device("meta"):
        four = create_network("test_vit", image_size=SIZE, heads={"ich": 2, "location": 4})
        rsna = create_network("test_vit", image_size=SIZE, heads=RSNA_HEADS)
    assert channel_def(four)["5"] == "normal"
    assert channel_def(rsna)["0"] == "any"


def test_what_cannot_be_written_or_read_is_said(small, tmp_path, monkeypatch):
    facts = describe(small.network, small.weights, SIZE)
    with pytest.raises(InputError, match="choose from torchscript, onnx, openvino"):
        export_network(small.network, "tensorrt", tmp_path / "model.plan", facts)
    for suffix in FORMATS.values():
        (tmp_path / f"other{suffix}").write_text("nothing")
        with pytest.raises(InputError, match="no network that ichmonai exported"):
            read_facts(tmp_path / f"other{suffix}")
    monkeypatch.setattr(names_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "ichmonai\[openvino\]"'):
        export_network(small.network, "openvino", tmp_path / "model.xml", facts)


def test_openvino_is_imported_without_its_telemetry():
    needs("openvino")
    assert callable(openvino().convert_model)
    assert sys.modules["openvino_telemetry"] is None
