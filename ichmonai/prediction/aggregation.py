"""From slices to a study, as transforms."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Transform
from torch import Tensor

from ichmonai.classes import LOCATIONS
from ichmonai.networks.heads import softmax_heads
from ichmonai.study_rule import highest_of_neighbours, mean_location

if TYPE_CHECKING:
    from ichmonai.evaluation.calibration import Calibration  # which needs this module for its levels


def study_probabilities(slices: Tensor, apart: int = 1) -> Tensor:
    """Probabilities of a study from those of its slices.

    The rule is `ichmonai.study_rule`'s.

    Args:
        slices: probabilities (5, S) of S >= 1 slices in anatomical order: normal, ich, deep, lobar, subtentorial; or
            (10, S), with the kinds, each by the rule of the haemorrhage.
        apart: how many slices further the next one is that a slice does not overlap.

    Returns:
        Probabilities (5,) or (10,): normal and ich add up to 1, and so do the locations.
    """
    values = slices.detach().cpu().numpy()
    first = np.zeros(1, dtype=np.int64)
    score = highest_of_neighbours(values[1], first, np.array([apart]))
    last = 2 + len(LOCATIONS)
    location = mean_location(values[1], values[2:last].T, first)[0]
    kinds = [highest_of_neighbours(kind, first, np.array([apart])) for kind in values[last:]]
    return torch.from_numpy(np.concatenate([1 - score, score, location, *kinds]).astype(values.dtype))


class SliceProbabilitiesd(MapTransform):
    """Logits of slices to probabilities, softmax for each head.

    Args:
        keys: logits (K,) of a slice or (K, S) of the slices of a volume (see `softmax_heads`); become probabilities
            (5, S), with kinds (10, S).
        calibration: temperatures of the heads; none where None.

    Example:
        >>> SliceProbabilitiesd("pred")({"pred": torch.zeros(5, 2)})["pred"][:, 0]
        tensor([0.5000, 0.5000, 0.3333, 0.3333, 0.3333])
    """

    def __init__(self, keys: KeysCollection, calibration: "Calibration | None" = None) -> None:
        super().__init__(keys)
        self.probabilities = softmax_heads if calibration is None else calibration.apply_logits

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict:
        """Return the data with probabilities."""
        changed = dict(data)
        for key in self.key_iterator(changed):
            logits = torch.as_tensor(changed[key])
            changed[key] = self.probabilities(logits.reshape(logits.shape[0], -1).T).T
        return changed


class AggregateSlices(Transform):
    """Array form of `study_probabilities`: (5, S) to (5,)."""

    def __call__(self, slices: Tensor, apart: int = 1) -> Tensor:
        """Return probabilities (5,)."""
        return study_probabilities(torch.as_tensor(slices), apart)


class AggregateSlicesd(MapTransform):
    """Probabilities of slices (5, S) to those of the study (5,); the slices' are kept under `<key>_slices`.

    The result is a 1-D `MetaTensor` as MONAI Label expects of a classification, and `spatial_shape` is dropped from
    the image's meta data because Label's `Restored` would otherwise try to resample it.

    Args:
        keys: probabilities, see `SliceProbabilitiesd`.
        image_key: the network's input; how far slices overlap is taken from its meta data (see `AverageThinSlices`).
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image") -> None:
        super().__init__(keys)
        self.image_key = image_key
        self.aggregate = AggregateSlices()

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict:
        """Return the data with the study's probabilities."""
        changed = dict(data)
        image = changed.get(self.image_key)
        apart = int(image.meta.get("slices_apart", 1)) if isinstance(image, MetaTensor) else 1
        for key in self.key_iterator(changed):
            changed[f"{key}_slices"] = changed[key]
            changed[key] = MetaTensor(self.aggregate(changed[key], apart))
        if isinstance(image, MetaTensor):
            image.meta.pop("spatial_shape", None)
        return changed
