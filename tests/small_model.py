"""Weights of small networks, with what stands beside weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ichmonai.model_description import ModelDescription
from ichmonai.networks import SliceClassifier, create_network
from ichmonai.paths import bundle_root


def write_model(
    folder: Path, network: SliceClassifier | str = "test_vit", image_size: int = 32, **options: Any
) -> Path:
    """Write `model.pt` and `model.json`, whose chain is that of the bundle's own weights at another size.

    Args:
        folder: of both; made if absent.
        network: as `create_network` gave it, or the name of one to make with random weights of seed 0.
        image_size: of the network to make.
        options: further arguments of `create_network`.
    """
    if isinstance(network, str):
        torch.manual_seed(0)
        network = create_network(network, image_size=image_size, **options)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / "model.pt")
    own = ModelDescription.beside(bundle_root() / "models" / "model.pt")
    chain = tuple(
        {**step, "size": network.arguments["image_size"]} if "size" in step else step for step in own.preprocessing
    )
    replace(own, network=network.arguments, preprocessing=chain).write(folder)
    return folder / "model.pt"
