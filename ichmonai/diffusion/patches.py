"""From a labelled slice to a patch with a hole, and from a batch of these to what a training needs."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms.transform import RandomizableTransform
from numpy.typing import NDArray
from torch import Tensor

from ichmonai.classes import KINDS, NOT_APPLICABLE, UNKNOWN
from ichmonai.inpainter import TIMESTEPS, context_of, to_unit
from ichmonai.transforms.anatomy.bleeding import pixel_size, propose_bleeding
from ichmonai.transforms.anatomy.intracranial import intracranial_mask
from ichmonai.transforms.counterfactual.holes import hole_around, random_hole, window_around


class RandInpaintingPatchd(RandomizableTransform):
    """A patch of a slice with a hole: around its blood of one kind, or anywhere in a slice without.

    Blood is what the mask marks; without a mask, of an intraparenchymal haemorrhage by its label, what
    `propose_bleeding` finds. Of other slices with blood nothing is known: the hole is empty.

    Args:
        size: of the patch in pixels.
    """

    def __init__(self, size: int = 64) -> None:
        super().__init__(1.0)
        self.size = size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[str, Tensor]:
        """Give `image` (1, size, size) from -1 to 1, `hole` bool of the same shape, and `kind` (see `context_of`).

        Args:
            data: `image` in HU (1, H, W), `label` (2,), `kinds` (5,) and `mask` (1, H, W), see `LoadTargetsd`.
        """
        rng = np.random.default_rng(int(self.R.randint(2**31)))
        image = torch.as_tensor(data["image"]).float()[0].numpy()
        inside, pixel = intracranial_mask(image), pixel_size(image, None)
        kind, hole = self._hole(image, data, inside, pixel, rng)
        window = window_around(hole, self.size) if hole is not None and hole.any() else None
        if hole is None or window is None:
            first = (slice(0, self.size),) * 2
            kind, hole, window = 0, np.zeros(image.shape, bool), first
        patch, part = to_unit(torch.from_numpy(image[window])), torch.from_numpy(hole[window].copy())
        if rng.random() < 0.5:
            patch, part = patch.flip(1), part.flip(1)
        return {"image": patch[None].contiguous(), "hole": part[None].contiguous(), "kind": torch.tensor(kind)}

    def _hole(
        self,
        image: NDArray[np.float32],
        data: Mapping[Hashable, Any],
        inside: NDArray[np.bool_],
        pixel: float,
        rng: np.random.Generator,
    ) -> tuple[int, NDArray[np.bool_] | None]:
        if not data["label"][0]:
            return 0, random_hole(KINDS[rng.integers(len(KINDS))], inside, pixel, rng)
        mask = np.asarray(torch.as_tensor(data["mask"])[0])
        if marked := [kind for kind in range(1, len(KINDS) + 1) if (mask == kind).any()]:
            kind = int(rng.choice(marked))
            return kind, hole_around(mask == kind, inside, pixel, rng)
        if int(data["label"][1]) == NOT_APPLICABLE or (mask != UNKNOWN).any():
            return 0, None
        blood = propose_bleeding(image, None, inside)
        return KINDS.index("intraparenchymal") + 1, hole_around(blood, inside, pixel, rng) if blood.any() else None


def prepare_patches(
    batch: Mapping[str, Tensor], device: Any = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor, tuple[()], dict[str, Tensor]]:
    """MONAI's `prepare_batch` for `DiffusionInferer`: patches, the noise and where it counts, and what is known.

    Args:
        batch: of `RandInpaintingPatchd`.
        device: to put it on.
        non_blocking: as of `Tensor.to`.
        kwargs: as of `Tensor.to`.
    """
    image, hole, kind = (
        batch[name].to(device=device, non_blocking=non_blocking, **kwargs) for name in ("image", "hole", "kind")
    )
    noise = torch.randn_like(image)
    timesteps = torch.randint(TIMESTEPS, (len(image),), device=image.device)
    known = {"noise": noise, "timesteps": timesteps, "condition": context_of(image, hole, kind)}
    return image, torch.cat([noise, hole.to(noise)], dim=1), (), known


def hole_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the noise (B, 1, H, W) in the holes; target (B, 2, H, W) is the noise and the hole."""
    noise, hole = target.split(1, dim=1)
    return ((pred - noise) ** 2 * hole).sum() / hole.sum().clamp(min=1)
