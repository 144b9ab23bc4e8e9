"""Networks in int8: made from training slices, and kept only where they are as good on validation slices."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from ichmonai.datasets.item import Item
from ichmonai.errors import InputError
from ichmonai.evaluation.reliability import reliability_estimator
from ichmonai.networks.classifier import SliceClassifier
from ichmonai.runtimes.formats import describe, head_sizes, save_openvino, to_openvino
from ichmonai.runtimes.libraries import nncf
from ichmonai.runtimes.names import missing
from ichmonai.runtimes.sessions import Run, open_file

logger = logging.getLogger(__name__)

ALLOWED = 0.002
"""How far AUC and ECE of ICH may be from those in fp32, either way."""

RANGE_SLICES = 300
VALIDATION_SLICES = 1000


@dataclass(frozen=True)
class Gate:
    """ICH on real slices that set no range of the activations, in fp32 and in int8.

    Attributes:
        slices: how many, of both classes.
        auc_fp32, auc_int8: area under the ROC curve.
        ece_fp32, ece_int8: expected calibration error in 10 bins of equal mass.
        decisions_changed: slices that change sides of a probability of 0.5.
    """

    slices: int
    auc_fp32: float
    auc_int8: float
    ece_fp32: float
    ece_int8: float
    decisions_changed: int

    @property
    def passed(self) -> bool:
        """Are both within `ALLOWED`?"""
        return max(abs(self.auc_int8 - self.auc_fp32), abs(self.ece_int8 - self.ece_fp32)) <= ALLOWED

    def __str__(self) -> str:
        return (
            f"on {self.slices} slices AUC {self.auc_fp32:.4f} in fp32 and {self.auc_int8:.4f} in int8, "
            f"ECE {self.ece_fp32:.4f} and {self.ece_int8:.4f}, {self.decisions_changed} decisions changed"
        )


def make_int8(
    network: SliceClassifier,
    weights: str | PathLike,
    image_size: int,
    read: Callable[[Item], Tensor | None],
    probabilities: Callable[[Tensor], Tensor],
    splits: Mapping[str, Sequence[Item]],
    file: Path,
) -> Gate:
    """Write a network in int8, if it is as good as in fp32.

    Args:
        network: on the CPU, with DTViT's two heads, and perhaps the kinds and a mask.
        weights: file that its weights came from.
        image_size: height and width of its input in pixels.
        read: from a slice's item to the network's input (C, H, W); None for one that gets no answer.
        probabilities: logits (N, 5) to calibrated probabilities (N, 5).
        splits: `training` slices set the ranges of activations (300 of them), `validation` slices judge (up to 1,000).
        file: OpenVINO's .xml to write; its facts have the numbers under `int8`.

    Returns:
        AUC and ECE in fp32 and int8.

    Raises:
        InputError: NNCF is not installed, the network has other heads, no slices are left, or the int8 network is not
            as good.
    """
    if reason := missing("nncf"):
        raise InputError(f"{reason}.")
    if "ich" not in head_sizes(network):
        raise InputError("int8 is judged by the AUC of ICH, and this network has no such head; leave --int8 out.")
    training, _ = _images(splits["training"], read, RANGE_SLICES)
    validation, truth = _images(splits["validation"], read, VALIDATION_SLICES)
    model = quantise(network, training)
    facts = describe(network, weights, image_size)
    save_openvino(model, file, facts)
    try:
        runs = (network, open_file("openvino", file, "int8"))
        found = gate(truth, *(_ich(run, validation, probabilities) for run in runs))
    finally:
        for part in (file, file.with_suffix(".bin")):
            part.unlink()
    if not found.passed:
        raise InputError(f"The network loses too much in int8 ({found}; {ALLOWED} is allowed): use it in fp32 or bf16.")
    facts["int8"] = {**asdict(found), "passed": True, "allowed": ALLOWED, "range_slices": len(training)}
    save_openvino(model, file, facts)
    return found


def quantise(network: SliceClassifier, slices: Tensor) -> Any:
    """OpenVINO's model of a network in int8.

    Weights are int8 by channel, activations by tensor, from what training slices make of them (NNCF, post-training).

    Args:
        network: on the CPU.
        slices: (N, C, H, W) of the training patients.
    """
    tool = nncf()
    transformer = any(isinstance(module, VisionTransformer) for module in network.modules())
    return tool.quantize(
        to_openvino(network.eval().with_mask(), slices[:1]),
        tool.Dataset([one[None].numpy() for one in slices]),
        subset_size=len(slices),
        model_type=tool.ModelType.TRANSFORMER if transformer else None,
    )


def gate(truth: NDArray[np.integer], fp32: NDArray[np.floating], int8: NDArray[np.floating]) -> Gate:
    """Compare the ICH probabilities (N,) of the same slices.

    Raises:
        InputError: the slices are all of one class.
    """
    if len(np.unique(truth)) < 2:
        raise InputError("The validation slices are all of one class, so that no AUC can be compared; use more data.")
    auc_fp32, auc_int8 = (float(roc_auc_score(truth, score)) for score in (fp32, int8))
    changed = int(np.count_nonzero((fp32 > 0.5) != (int8 > 0.5)))
    return Gate(len(truth), auc_fp32, auc_int8, _ece(truth, fp32), _ece(truth, int8), changed)


def _ece(truth: NDArray[np.integer], score: NDArray[np.floating]) -> float:
    one_patient = np.zeros(len(truth), np.intp)
    return float(reliability_estimator(truth, score.astype(np.float64), one_patient, 1)(np.ones((1, 1)))["ece"][0])


def _ich(run: Run | SliceClassifier, images: Tensor, probabilities: Callable[[Tensor], Tensor]) -> NDArray[np.floating]:
    with torch.no_grad():
        found = [run(part) for part in images.split(16)]
        logits = torch.cat([one if isinstance(one, Tensor) else one[0] for one in found])
        return probabilities(logits)[:, 1].numpy()


def _images(
    items: Sequence[Item], read: Callable[[Item], Tensor | None], count: int
) -> tuple[Tensor, NDArray[np.integer]]:
    """Input and ICH label of some slices, drawn at random but always the same; without those that show no brain."""
    drawn = np.random.default_rng(0).permutation(len(items))[:count]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = list(pool.map(lambda index: read(items[index]), drawn))
    kept = [
        (image, int(items[index]["label"][0])) for image, index in zip(found, drawn, strict=True) if image is not None
    ]
    if not kept:
        raise InputError("No slice of the dataset can be used for int8; it needs training and validation slices.")
    if len(kept) < len(found):
        logger.info("%d of %d slices get no answer and are left out.", len(found) - len(kept), len(found))
    return torch.stack([image for image, _ in kept]), np.array([label for _, label in kept])
