"""A model of random weights, and MONAI Label itself where it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ichmonai.networks import create_network
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource
from tests.small_model import write_model


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what installs MONAI Label, unless -m names it."""
    if "monailabel" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("monailabel")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


SIZE = 96


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the light network, whose heads tell slices apart."""
    torch.manual_seed(0)
    network = create_network("light", image_size=SIZE)
    with torch.no_grad():
        for head in network.heads.heads.values():
            head.weight.mul_(10)
    return write_model(tmp_path_factory.mktemp("weights"), network)


@pytest.fixture(scope="session")
def source(weights: Path) -> BundleSource:
    """The package's bundle with these weights."""
    return BundleSource(bundle_root(), {"ckpt_path": str(weights)})


@pytest.fixture(scope="session")
def prepared(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ichmonai label prepare` makes; the folder that ICHMONAI_LABEL names keeps its environment between runs."""
    kept = os.environ.get("ICHMONAI_LABEL")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("label")
    command = [sys.executable, "-m", "ichmonai", "label", "prepare", folder, f"--set=ckpt_path={weights}"]
    subprocess.run(command, check=True)
    return folder
