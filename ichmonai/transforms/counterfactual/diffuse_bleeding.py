"""Let a diffusion model put a haemorrhage into a normal slice."""

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import torch

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.anatomy.bleeding import smooth_inside
from ichmonai.transforms.counterfactual.base import (
    GRAIN,
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    Finding,
)
from ichmonai.transforms.counterfactual.holes import random_hole, soft, window_around

if TYPE_CHECKING:
    from ichmonai.inpainter import Inpainter

SEEN = 30.0  # mm2 ...
SEEN_HU = 8.0  # ... that are brighter by this than they were


class RandDiffuseBleeding(CounterfactualTransform):
    """Let a diffusion model fill a hole of a normal slice with a haemorrhage with a probability, and label it so.

    The kind is drawn, and the place where it may lie. What of the hole is brighter than before is marked in the mask,
    what is not is unknown; where hardly anything is, the slice stays as it was. It takes seconds of a core for a slice.

    Args:
        model: file `inpainter.pt` that a training of `diffuse.json` wrote, on slices with as large pixels.
        kinds: of `KINDS`, equally frequent; those that the training had.
        prob: probability that a normal slice is changed, if it can be.
        steps: of the sampling.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: for an unknown kind, or without any.
    """

    smallest = 2000.0

    def __init__(
        self,
        model: str | PathLike[str],
        kinds: Sequence[str] = KINDS,
        prob: float = 0.1,
        steps: int = 25,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(prob, spacing)
        if not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"RandDiffuseBleeding makes the kinds {', '.join(KINDS)}, not {tuple(kinds)}.")
        self.model = model
        self.kinds = tuple(kinds)
        self.steps = steps

    @cached_property
    def network(self) -> "Inpainter":
        """The diffusion model, read when it is first needed."""
        from ichmonai.inpainter import load_inpainter

        return load_inpainter(self.model)

    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        from ichmonai.inpainter import fill, to_hu, to_unit

        kind = KINDS.index(self.kinds[rng.integers(len(self.kinds))]) + 1
        hole = random_hole(KINDS[kind - 1], inside, pixel, rng)
        window = None if hole is None else window_around(hole, self.network.arguments["patch"])
        if hole is None or window is None:
            return None
        part = torch.from_numpy(hole[window])[None, None]
        patch = to_unit(torch.from_numpy(image[window])[None, None])
        made = fill(self.network, patch, part, torch.tensor([kind]), self.steps, int(rng.integers(2**31)))
        changed, edge = image.copy(), soft(hole[window], pixel)
        changed[window] += edge * (to_hu(made[0, 0]).numpy() - image[window])
        before, after = (smooth_inside(one.clip(-20, 100), inside, GRAIN / pixel) for one in (image, changed))
        bleeds = hole & (after - before > SEEN_HU)
        if bleeds.sum() * pixel**2 < SEEN:
            return None
        mask = np.where(hole, UNKNOWN, 0).astype(np.uint8)
        mask[bleeds] = kind
        return changed, Finding(mask, (KINDS[kind - 1],))


RandDiffuseBleedingd = CounterfactualTransformd.of(RandDiffuseBleeding)
