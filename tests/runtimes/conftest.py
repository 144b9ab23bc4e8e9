"""Small networks of every family, with files of their weights."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from ichmonai.networks import SliceClassifier, create_network

SIZE = 64
FAMILIES = {
    "light": {"depth": 1},
    "deit_tiny_patch16_224": {},
    "scopeformer_2cnn": {"branches": ["test_resnet", "mobilenetv3_small_050"], "width": 104, "depth": 1},
    "resnet18": {},
}
SMALLEST = "test_vit"


def needs(package: str) -> None:
    """Skip where a package is absent; unlike `pytest.importorskip` this does not import OpenVINO with its telemetry."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


class Trained(NamedTuple):
    """A network and the file of its weights."""

    network: SliceClassifier
    weights: Path


def make(name: str, folder: Path) -> Trained:
    """A network of random weights whose logits are as large as those of a trained one."""
    torch.manual_seed(1)
    network = create_network(name, image_size=SIZE, **FAMILIES.get(name, {})).eval()
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter.data)
    torch.save(network.state_dict(), folder / "model.pt")
    return Trained(network, folder / "model.pt")


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The smallest vision transformer."""
    return make(SMALLEST, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is."""
    monkeypatch.setenv("ICHMONAI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
