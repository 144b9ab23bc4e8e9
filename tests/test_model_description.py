"""What is written beside weights, and what is believed of it."""

import json

import pytest
import torch

from ichmonai.classes import KINDS
from ichmonai.errors import InputError
from ichmonai.io import LoadHeadCTd
from ichmonai.model_description import ModelDescription
from ichmonai.networks import KIND_HEADS, RSNA_HEADS, create_network
from ichmonai.transforms import CropToHeadd, NormalizeImageNetd, RandSharpnessd, RemoveHeadHolderd, WindowHUd

CHAIN = [
    RemoveHeadHolderd("image", fill=-2000),
    CropToHeadd("image", size=32, outside=-2000),
    WindowHUd("image", windows=((40, 80), (80, 200))),
    NormalizeImageNetd("image", mean=[0.5] * 2, std=[0.25] * 2),
]
NETWORK = {"name": "resnet10t", "image_size": 32, "in_channels": 2}


@pytest.fixture
def written(tmp_path):
    """A description in a file, beside weights."""
    description = ModelDescription.of(create_network(**NETWORK), CHAIN)
    description.write(tmp_path)
    return description, tmp_path / "model.pt"


def test_what_is_read_is_what_was_written(written):
    description, weights = written
    found = ModelDescription.beside(weights)
    assert found == description
    assert found.image_size == 32
    assert found.labels == {"ich": ["normal", "ich"], "location": ["deep", "lobar", "subtentorial"]}
    assert found.create_network().eval()(torch.zeros(1, 2, 32, 32)).shape == (1, 5)
    image = torch.randn(1, 48, 40, 3) * 100
    one, two = {"image": image}, {"image": image}
    for own, made in zip(CHAIN, found.transforms(), strict=True):
        assert type(own) is type(made)
        one, two = own(one), made(two)
    assert torch.equal(torch.as_tensor(one["image"]), torch.as_tensor(two["image"]))


@pytest.mark.parametrize("name", ["scopeformer_2cnn", "light"])
def test_a_scopeformer_is_built_as_it_was(name):
    small = {"branches": ["test_resnet"], "width": 32, "depth": 1, "num_heads": 2, "image_size": 64}
    network = create_network(name, heads=RSNA_HEADS, **small)
    again = ModelDescription.of(network, []).create_network()
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}
    assert ModelDescription.of(network, []).labels["rsna"][0] == "any"
    with pytest.raises(InputError, match="ich and location"):
        ModelDescription.of(network, []).require_dual_heads()


def test_random_transforms_and_foreign_ones_are_not_described():
    network = create_network(**NETWORK)
    for transform in (RandSharpnessd("image"), LoadHeadCTd("image"), lambda data: data):
        with pytest.raises(TypeError, match="no deterministic dictionary transform"):
            ModelDescription.of(network, [transform])


def test_weights_without_a_description(tmp_path):
    with pytest.raises(InputError, match="no weights file"):
        ModelDescription.beside(tmp_path / "model.pt")
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match=r"no model\.json beside it"):
        ModelDescription.beside(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "step",
    [
        {"_target_": "os.system", "command": "touch PLANTED"},
        {"_target_": "ichmonai.transforms.os.system", "keys": "image"},
        {"_target_": "ichmonai.transforms.bleeding_bank", "keys": "image"},
        {"_target_": "ichmonai.transforms.RandSharpnessd", "keys": "image"},
        {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image", "windows": "$__import__('os').system('x')"},
        {"_target_": "ichmonai.transforms.WindowHUd", "keys": "image", "colour": 1},
        {"_target_": "monai.transforms.Lambdad", "keys": "image", "func": "$print"},
        {},
    ],
)
def test_nothing_else_than_a_transform_of_ours_is_made(written, step):
    _, weights = written
    path = weights.with_name("model.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "preprocessing": [step]}))
    with pytest.raises(InputError, match="describes no model"):
        ModelDescription.beside(weights)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"network": 3, "preprocessing": []}', '{"network": {}', "\0"])
def test_damaged_descriptions(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError, match="describes no model"):
        ModelDescription.beside(tmp_path / "model.pt")


@pytest.mark.parametrize("network", [{}, {"name": "no such network"}, {"name": "resnet10t", "colour": "red"}])
def test_networks_that_there_are_not(tmp_path, network):
    (tmp_path / "model.json").write_text(json.dumps({"network": network, "preprocessing": []}))
    with pytest.raises(InputError):
        ModelDescription.beside(tmp_path / "model.pt").create_network()


def test_kinds_and_mask_are_named(tmp_path):
    network = create_network("light", image_size=64, heads=KIND_HEADS, mask_classes=6, depth=1)
    (tmp_path / "model.pt").touch()
    ModelDescription.of(network, ()).write(tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["labels"]["kinds"] == list(KINDS)
    assert record["mask"] == ["none", *KINDS]
    found = ModelDescription.beside(tmp_path / "model.pt").require_dual_heads()
    assert found.create_network().mask_classes == 6
    assert ModelDescription({"name": "light"}, ()).mask_labels == []
