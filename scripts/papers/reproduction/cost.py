"""What a training costs on the card that DTViT was published with, estimated from the paper's own times.

Operations are counted on the network (forth; three times that there and back) and divided by the rate that the paper's
training came to. A convolutional network reaches a lower rate than a large transformer, so that of the others the
estimate is the least it takes.
"""

import functools
import json
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ichmonai.datasets.balancing import replicated_indices
from ichmonai.networks import RSNA_HEADS, SCOPEFORMERS, create_network
from scripts.papers.reproduction import paper
from scripts.papers.reproduction.runs import Run

_THERE_AND_BACK = 3


def hours(run: Run, splits: dict[str, Any]) -> float:
    """Hours of a training and its validation on the paper's RTX 4090.

    Args:
        run: the training.
        splits: of `protocols.read_split`.
    """
    trained = len(splits["training"])
    if run.overrides.get("balance") == "replication":
        trained = len(replicated_indices(splits["training"]))
    return _hours(run.overrides, run.rsna, trained, len(splits["validation"]))


def hours_of_rsna(run: Run) -> float:
    """Hours of the same training on the whole of the RSNA 2019 challenge, 80/10/10."""
    return _hours(run.overrides, run.rsna, round(0.8 * paper.RSNA_SLICES), round(0.1 * paper.RSNA_SLICES))


def _hours(overrides: dict[str, Any], rsna: bool, trained: int, validated: int) -> float:
    slices = overrides["max_epochs"] * (_THERE_AND_BACK * trained + validated)
    options = {name: overrides[name] for name in ("branch", "network_options") if name in overrides}
    return (
        slices
        * operations(overrides["backbone"], overrides["image_size"], rsna, json.dumps(options))
        / paper.RTX_4090
        / 3600
    )


@functools.cache
def operations(name: str, image_size: int, rsna: bool = False, options: str = "{}") -> float:
    """Floating-point operations of a network for one image, forth.

    Args:
        name: as for `create_network`.
        image_size: in pixels.
        rsna: with RSNA's six labels.
        options: `branch` and `network_options` of Scopeformer, as JSON.
    """
    more: dict[str, Any] = {}
    if rsna:
        chosen = json.loads(options)
        more = {"heads": RSNA_HEADS, "head": "mlp", "in_channels": 3, **chosen.get("network_options", {})}
        if name in SCOPEFORMERS:
            count = len(SCOPEFORMERS[name]["branches"])
            more["branches"] = [chosen.get("branch", "legacy_xception")] * count
    with torch.device("meta"):
        network = create_network(name, image_size=image_size, **more).eval()
        image = torch.zeros(1, network.in_channels, image_size, image_size)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    return float(counter.get_total_flops())
