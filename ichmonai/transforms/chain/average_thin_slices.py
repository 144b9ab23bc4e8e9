"""Slices as thick as those that the networks learnt from."""

import numpy as np
import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform

from ichmonai.io.findings import Code
from ichmonai.transforms.dictionary import DictionaryTransform
from ichmonai.transforms.inplane import to_slices

LOWEST_HEAD = 60.0
"""mm. Files that were not written by a scanner often have slices of 1 mm by default; such a head would be this flat."""


class AverageThinSlices(Transform):
    """Average each thin slice with those around it, to the noise and partial volume of a thicker one.

    The noise of CT grows as slices get thinner, by the square root at equal dose, and a network that learnt from slices
    of 5 mm takes it for texture of a haemorrhage. Every slice of the volume is kept, as the mean of what lies within
    half the thickness above and below its middle, less at the ends of the volume. A volume without geometry, whose
    affine is the unit matrix, stays as it is, and so does one that would be lower than `LOWEST_HEAD`.

    Args:
        thickness: mm over which is averaged; that of the papers' images.
        thinner_than: only volumes with slices thinner than this (mm) are changed. The thickness is the distance of the
            slices, or `meta["slice_thickness"]` where that is more, since slices may overlap.

    Raises:
        ValueError: if `thinner_than` is not above 0, or `thickness` is below it.

    Example:
        >>> hu = torch.tensor([0.0, 0, 50, *[0] * 27]).reshape(1, 1, 1, 30)
        >>> volume = MetaTensor(hu, affine=torch.diag(torch.tensor([0.5, 0.5, 2.5, 1])))
        >>> AverageThinSlices()(volume).flatten().tolist()[:5]  # half of each neighbour lies within 5 mm
        [0.0, 12.5, 25.0, 12.5, 0.0]
    """

    def __init__(self, thickness: float = 5.0, thinner_than: float = 3.0) -> None:
        if not 0 < thinner_than <= thickness:
            raise ValueError(
                "AverageThinSlices needs a thickness of at least thinner_than, and both above 0, not "
                f"{thickness} and {thinner_than}."
            )
        self.thickness = thickness
        self.thinner_than = thinner_than

    def __call__(self, img: NdarrayOrTensor) -> torch.Tensor:
        """Average a volume where its slices are thin.

        Args:
            img: HU, (C, H, W, S) or (C, H, W).

        Returns:
            What was given where it is not thin; else float32 of the same shape, with the code `thin_slices` added to
            `meta["findings"]` and `meta["slices_apart"]`: how many slices further the next one of that thickness is.

        Raises:
            ValueError: if the image has neither three nor four dimensions.
        """
        slices = to_slices(img)
        if not isinstance(img, MetaTensor) or len(slices) < 2:
            return torch.as_tensor(img)
        distance = _distance(img.affine.cpu().numpy())
        own = max(distance, float(img.meta.get("slice_thickness") or 0))
        if own >= self.thinner_than or distance * img.shape[-1] < LOWEST_HEAD:
            return img
        slices = slices.float()
        weights = _weights(distance, self.thickness).to(slices)
        reach = len(weights) // 2
        averaged = torch.empty_like(slices)
        for index in range(len(slices)):
            first, last = max(index - reach, 0), min(index + reach + 1, len(slices))
            part = weights[first - index + reach : last - index + reach]
            averaged[index] = torch.tensordot(part / part.sum(), slices[first:last], dims=1)
        sentence = f"Slices of {own:.2g} mm were averaged over {self.thickness:g} mm."
        meta = {
            **img.meta,
            "findings": [*(img.meta.get("findings") or ()), [Code.THIN_SLICES.value, sentence]],
            "slices_apart": round(self.thickness / distance),
        }
        return MetaTensor(averaged.movedim(0, -1), meta=meta, applied_operations=img.applied_operations)


AverageThinSlicesd = DictionaryTransform.of(AverageThinSlices)


def _distance(affine: np.ndarray) -> float:
    """Distance of the planes of two slices in mm, also where the gantry was tilted; 0 where the affine says nothing."""
    if np.array_equal(affine, np.eye(4)):
        return 0.0
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    area = np.linalg.norm(normal)
    return abs(float(normal @ affine[:3, 2])) / float(area) if area > 0 else 0.0


def _weights(distance: float, thickness: float) -> torch.Tensor:
    """How much of each slice lies within the thickness: (2 * reach + 1,), in mm."""
    reach = int(thickness / distance / 2 + 0.5)
    middles = torch.arange(-reach, reach + 1, dtype=torch.float64) * distance
    upper = (middles + distance / 2).clamp(max=thickness / 2)
    lower = (middles - distance / 2).clamp(min=-thickness / 2)
    return (upper - lower).clamp(min=0)
