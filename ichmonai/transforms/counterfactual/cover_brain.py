"""Cover most of the brain of a normal slice, as at the vertex and below the skull, where little of it is seen."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ichmonai.transforms.anatomy.binary_image import Mask
from ichmonai.transforms.counterfactual.base import (
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    no_blood,
)
from ichmonai.transforms.counterfactual.haemorrhage_kinds import cloud, make_scene

# Lengths are in mm.
LEFT = (0.01, 0.25)  # share of the inside of the skull that stays to be seen
BONE_HU = (300.0, 1200.0)
MUSCLE_HU = (48.0, 68.0)
FAT_HU = -90.0
SHELL = (2.0, 9.0)  # thickness of the bone around what is left, below the skull
FADE = 0.8  # standard deviation of an edge


class RandCoverBrain(CounterfactualTransform):
    """Cover the brain of a normal slice with a probability but for a small island; the slice stays normal.

    The cover is bone, as near the vertex, or a shell of bone with muscle and fat around it, as at the spinal canal.
    Data sets whose slices were chosen for their brain have none like these, whole studies have several, and a network
    that never saw them calls what it does not know bleeding. A slice with a bleeding stays as it is.

    Args:
        prob: probability that a normal slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Example:
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> covered, label = RandCoverBrain(prob=1)(hu, np.array([0, -1]))
        >>> int((covered == 32).sum()) < 0.3 * int((hu == 32).sum()), label.tolist()
        (True, [0, -1])
    """

    smallest = 4000.0  # of less, most is hidden already

    def __init__(self, prob: float = 0.15, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)

    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        scene = make_scene(image, inside, pixel)
        # An island of uneven outline around a deep place.
        depth = scene.depth + 4 * cloud(scene, rng, 20) + 1.5 * cloud(scene, rng, 6)
        place = rng.choice(np.flatnonzero(scene.depth > 0.5 * scene.depth.max()))
        far = np.hypot(*(np.indices(image.shape) - np.array(np.unravel_index(place, image.shape))[:, None, None]))
        depth = depth - rng.uniform(0.2, 1) * far * pixel
        share = np.exp(rng.uniform(*np.log(LEFT)))
        edge = depth - np.quantile(depth[inside], 1 - share)  # mm inside the outline of the island, about
        seen = _soft(edge)
        cover = np.full(image.shape, rng.uniform(*BONE_HU))
        if rng.random() < 0.5:
            shell = _soft(edge + rng.uniform(*SHELL))
            muscle = rng.uniform(*MUSCLE_HU) + 5 * cloud(scene, rng, 4)
            fat = _soft(8 * (cloud(scene, rng, 12) - rng.uniform(0.3, 1.2)))
            tissue = muscle + fat * (FAT_HU - muscle) + (image - scene.smoothed)
            cover = shell * cover + (1 - shell) * tissue
        part = ndimage.gaussian_filter(ndimage.binary_dilation(inside, iterations=2).astype(np.float32), 1)
        mixed = seen * image + (1 - seen) * cover
        return (image + part * (mixed - image)).astype(np.float32), no_blood(image)


RandCoverBraind = CounterfactualTransformd.of(RandCoverBrain)


def _soft(distance: np.ndarray) -> np.ndarray:
    """1 well inside, 0 well outside, from the distance in mm to an edge."""
    return 1 / (1 + np.exp(-np.clip(distance / FADE * 2, -30, 30)))
