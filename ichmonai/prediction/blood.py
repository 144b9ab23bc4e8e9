"""The mask of a study on the volume as it was read, and how much blood it marks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ichmonai.classes import KINDS
from ichmonai.io.geometry import Geometry
from ichmonai.tables import AREAS, VOLUMES
from ichmonai.transforms.chain.crop_to_head import before_crop

SURE, PERHAPS = 0.75, 0.25
"""Probabilities of blood in a pixel above which it counts in `volume_low_ml` and in `volume_high_ml`."""


@dataclass(frozen=True, eq=False)
class Blood:
    """What a network marks in a volume.

    A pixel is blood where the kinds together are more probable than none, and then of the most probable kind.

    Attributes:
        mask: uint8 (S, H, W), 0 where no blood is found, i + 1 for the kind i of `KINDS`.
        levels: int64 (S, 2), pixels of each slice in which blood is more probable than `SURE` and than `PERHAPS`.
    """

    mask: NDArray[np.uint8]
    levels: NDArray[np.int64]

    @classmethod
    def of(cls, logits: Tensor, meta: Mapping[str, Any]) -> "Blood | None":
        """Bring the logits of a mask back to the volume as it was read.

        Args:
            logits: (C, h, w, S') float of the slices that show brain: none, and the kinds.
            meta: of the network's input: `crop_squares` and `crop_from` of `CropToHead`, and, where slices were left
                out, `slice_count` S and `brain_slices` (S',) indices.

        Returns:
            The mask of all slices; None where the chain did not crop to the head, or the network gave no numbers.
        """
        if "crop_squares" not in meta or not logits.isfinite().all():
            return None
        squares, (height, width) = meta["crop_squares"], meta["crop_from"]
        kept = list(meta.get("brain_slices") or range(len(squares)))
        count = int(meta.get("slice_count", len(kept)))
        mask, levels = np.zeros((count, height, width), np.uint8), np.zeros((count, 2), np.int64)
        for index, (part, rows, columns) in zip(kept, before_crop(logits, squares, (height, width)), strict=True):
            odds = part[1:].logsumexp(0) - part[0]
            found = torch.where(odds > 0, part[1:].argmax(0) + 1, 0)
            mask[index, rows, columns] = found.to(torch.uint8).numpy()
            levels[index] = [int((odds > math.log(p / (1 - p))).sum()) for p in (SURE, PERHAPS)]
        return cls(mask, levels)

    def columns(self, geometry: Geometry) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Volumes of the study and areas of its slices, as the tables have them.

        Args:
            geometry: of the volume.

        Returns:
            `VOLUMES` in mL, and of each slice `AREAS` in mm2; empty where geometry is not known, and the volumes of a
            slice alone.
        """
        values = len(KINDS) + 1
        pixels = np.stack([np.bincount(one.ravel(), minlength=values)[1:values] for one in self.mask])
        each = np.concatenate([pixels.sum(1, keepdims=True), self.levels, pixels], axis=1)  # (S, 3 + kinds)
        areas = each * geometry.pixel_mm2
        volumes = (areas * geometry.extents[:, None]).sum(0) / 1000
        slices = np.delete(areas, (1, 2), axis=1)
        return _cells(VOLUMES, volumes, 3), [_cells(AREAS, row, 1) for row in slices]


def _cells(columns: tuple[str, ...], values: NDArray[np.float64], digits: int) -> dict[str, str]:
    texts = ("" if math.isnan(value) else f"{value:.{digits}f}" for value in values)
    return dict(zip(columns, texts, strict=True))
